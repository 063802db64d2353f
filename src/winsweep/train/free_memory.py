"""How much memory the machine, and the control groups that this process is in, have left."""

from collections.abc import Iterator
from pathlib import Path

V1, V2 = (
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ("memory.max", "memory.current", "inactive_file"),
)


def free_bytes(root: Path = Path("/")) -> int:
    """Bytes that may still be taken before the kernel ends something; 0 where it cannot be told. `root` stands in for /
    in tests.
    """
    return max(0, min([_available(root), *_left_in_groups(root)]))


def _available(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)


def _left_in_groups(root: Path) -> Iterator[int]:
    """What each memory limit above this process leaves; what a group's files take in the page cache counts as free."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and "memory" not in controllers.split(","):
            continue
        names = V1 if controllers else V2
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        here = top / path.strip("/")
        for group in [here, *(up for up in here.parents if up.is_relative_to(top))]:
            yield from _left(group, *names)


def _left(group: Path, limit: str, usage: str, cache: str) -> Iterator[int]:
    try:
        most, used, lines = (
            (group / limit).read_text().strip(),
            int((group / usage).read_text()),
            (group / "memory.stat").read_text().splitlines(),
        )
    except (OSError, ValueError):
        return
    if most.isdigit():
        yield int(most) - used + next((int(line.split()[1]) for line in lines if line.startswith(f"{cache} ")), 0)
