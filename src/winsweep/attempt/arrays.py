"""What was submitted: one folder per job array with the specs of its tasks, written before sbatch, and its job id,
written after.
"""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from winsweep import ownership
from winsweep.attempt import spec as specs
from winsweep.attempt.spec import Spec
from winsweep.errors import BadData, NotOwn
from winsweep.store import disk, folders, links
from winsweep.store.manifest import write_atomic

PREFIX = "winsweep"
WHY = "it says which code your jobs run, and which of them are called off"


@dataclass(frozen=True)
class Submitted:
    """One array; `job` is None where the launcher died, or sbatch timed out, before the id was known."""

    folder: Path
    keys: tuple[tuple[str, ...], ...]  # what each task makes
    job: str | None
    at: float

    @property
    def token(self) -> str:
        return self.folder.name


def open_folder(
    root: Path,
    stage: str,
    tasks: Sequence[Sequence[str]],
    told: Sequence[Sequence[Spec]] = (),
    files: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> tuple[Path, str]:
    """A new array's folder with the keys and specs of each task in it, and the job name by which the array can be found
    again. `files` are there, too, for `heard`, as soon as it is an array.
    """
    disk.refuse_gone(root / "store.json")  # a store that was moved is not made anew
    folder = links.inside(root, root / ".work" / "arrays") / uuid.uuid4().hex[:12]
    folders.make(folder)
    folder.chmod(folder.stat().st_mode & 0o755)
    lines = [json.dumps([specs.plain(s) for s in task]) + "\n" for task in told]
    write_atomic(folder / "specs.jsonl", "".join(lines).encode(), is_own=True)
    for file, said in files.items():
        tell(folder / file, said)
    # from now on it is one
    tell(folder / "map.json", {"stage": stage, "keys": tasks, "at": time.time()})
    return folder, f"{PREFIX}.{stage}.{folder.name}"


def tell(path: Path, told: Mapping[str, object]) -> None:
    """Leave a file in an array's folder, for `heard`."""
    write_atomic(path, json.dumps(told).encode(), is_own=True)


def heard(path: Path) -> dict:
    """What a file in an array's folder says; NotOwn where another user could have written it, BadData where it is none
    of ours.
    """
    try:
        found = json.loads(ownership.read_own(path, WHY))
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> BadData:
    return BadData(
        f"{path}: found what winsweep does not write there; once squeue shows no job named "
        f"{PREFIX}.*.{path.parent.name}, remove {path.parent}"
    )


def specs_of(folder: Path, index: int) -> list[Spec]:
    """What task `index` makes, in order; BadData where that is damaged."""
    return [specs.restore(raw) for raw in told_to(folder, index)]


def told_to(folder: Path, index: int) -> list[dict]:
    """The same as it lies there, which anybody may have edited."""
    return _told(folder, _line(folder, index))


def all_told(folder: Path) -> list[list[dict]]:
    """The same of all tasks."""
    with ownership.opened(folder / "specs.jsonl", WHY) as lines:
        return [_told(folder, line) for line in lines]


def _told(folder: Path, line: str | bytes) -> list[dict]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise _damaged(folder / "specs.jsonl")
    return found


def _line(folder: Path, index: int) -> str:
    with ownership.opened(folder / "specs.jsonl", WHY) as lines:
        return next(islice(lines, index, None)).decode(errors="replace")


def know(folder: Path, job: str) -> None:
    tell(folder / "job.json", {"job": job})


def close(folder: Path) -> bool:
    """Nothing of this array is in the queue any more, so it need not be looked at again; whether it is this call that
    says so.
    """
    try:
        (folder / "over").touch(exist_ok=False)
    except (FileExistsError, FileNotFoundError):  # or another launcher has just taken it back
        return False
    return True


def open_arrays(root: Path) -> list[Submitted]:
    """Every array of this user's that may still be in the queue; others' are their own affair."""
    folders = [p.parent for p in (root / ".work" / "arrays").glob("*/map.json") if not (p.parent / "over").exists()]
    return [array for f in sorted(folders) if (array := _read(f))]


def _read(folder: Path) -> Submitted | None:
    try:
        told = heard(folder / "map.json")
    except (FileNotFoundError, NotOwn):  # SLURM refused it, and another launcher has just taken it back
        return None
    try:
        job = heard(folder / "job.json").get("job")
    except (FileNotFoundError, NotOwn, BadData):  # it is found in the queue by its name
        job = None
    try:
        return Submitted(folder, tuple(map(tuple, told["keys"])), job, float(told["at"]))
    except (LookupError, TypeError, ValueError):
        raise _damaged(folder / "map.json") from None


def failure(folder: Path, index: int) -> str | None:
    """What ended a task before a rank of it began, as its script has noted it (slurm/task_script), or None."""
    try:
        return (folder / "failed" / str(index)).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
