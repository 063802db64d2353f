"""Which processes are a testbed's own: those that its configuration started, and their children; nobody else's are ever
ended.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "mariadbd")


def wait_for(ready: Callable[[], object], what: str, timeout_s: float) -> None:
    """Returns as soon as `ready()` is true; after `timeout_s` ends this command with `what` was waited for."""
    limit = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > limit:
            raise SystemExit(f"error: after {timeout_s:.0f} s still waiting for {what}")
        time.sleep(0.05)


def words_of(pid: int) -> list[str]:
    """The command line; empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return [""]


def running() -> dict[int, int]:
    """Each live process with its parent."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(entry.name)] = int(parent)
    return found


def ancestors(pid: int, parents: dict[int, int]) -> set[int]:
    found = set()
    while pid in parents and pid not in found:
        found.add(pid)
        pid = parents[pid]
    return found


def belongs(pid: int, folder: Path) -> bool:
    """Whether a daemon or a job's process was started under this folder's configuration.

    A person's shell has SLURM_CONF too: it is neither a daemon nor inside a job.
    """
    try:
        given = set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).partition("-")[0]  # Debian has slurmd-wlm
    except OSError:
        return False
    mine = f"SLURM_CONF={folder}/slurm.conf".encode() in given
    return mine and (program in (*DAEMONS, "slurmstepd") or any(w.startswith(b"SLURM_JOB_ID=") for w in given))


def own(folder: Path) -> dict[int, str]:
    """Processes of the testbed in `folder`: slurmctld, slurmdbd, mariadbd, n1 … for a slurmd, job for
    everything else.
    """
    parents = running()
    spared = ancestors(os.getpid(), parents)
    mine = {p for p in parents.keys() - spared if belongs(p, folder)}
    mine |= {p for p in parents.keys() - spared if ancestors(p, parents) & mine}
    return {p: name_of(words_of(p)) for p in mine}


def name_of(words: list[str]) -> str:
    program = os.path.basename(words[0])
    if program == "slurmd":
        return words[words.index("-N") + 1]
    return program if program in DAEMONS else "job"


def end(pids: Callable[[], set[int]], first: signal.Signals, timeout_s: float = 10) -> None:
    """Asks with `first`, insists with SIGKILL after `timeout_s`, and returns when `pids()` is empty."""
    limit = time.monotonic() + timeout_s
    asked: set[int] = set()
    while left := pids():
        late = time.monotonic() > limit
        if time.monotonic() > limit + timeout_s:
            raise SystemExit(
                f"error: processes {sorted(left)} do not end; look at them with ps, then type the same again"
            )
        for pid in left if late else left - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else first)
        asked |= left
        time.sleep(0.05)


def end_all(folder: Path) -> int:
    """Ends everything that is the testbed's own, the controller first so that it starts nothing more; returns how many
    there were.
    """
    before = own(folder)
    nodes = {n for n in before.values() if n not in (*DAEMONS, "job")}
    for name in ["slurmctld", "job", *sorted(nodes), "slurmdbd", "mariadbd"]:
        end(
            lambda name=name: {p for p, n in own(folder).items() if n == name},
            signal.SIGKILL if name == "job" else signal.SIGTERM,
        )
    return len(before)
