"""What was submitted: one folder per job array with the specs of its tasks, written before sbatch, and its job id, written after."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from winsweep.attempt import spec as specs
from winsweep.attempt.spec import Spec
from winsweep.slurm.queue import Task
from winsweep.store.manifest import write_atomic

PREFIX = "winsweep"
# How long an sbatch that was not heard to succeed may still turn up in the queue. One that comes later costs a job that ends as busy.
ACCEPT_S = 30.0


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


def open_folder(root: Path, stage: str, tasks: Sequence[Sequence[str]], told: Sequence[Sequence[Spec]] = ()) -> tuple[Path, str]:
    """A new array's folder with the keys and specs of each task in it, and the job name by which the array can be found again."""
    folder = root / ".work" / "arrays" / uuid.uuid4().hex[:12]
    folder.mkdir(parents=True)
    lines = [json.dumps([specs.plain(s) for s in task]) + "\n" for task in told]
    write_atomic(folder / "specs.jsonl", "".join(lines).encode())
    write_atomic(folder / "map.json", json.dumps({"stage": stage, "keys": tasks, "at": time.time()}).encode())  # from now on it is one
    return folder, f"{PREFIX}.{stage}.{folder.name}"


def specs_of(folder: Path, index: int) -> list[Spec]:
    """What task `index` makes, in order."""
    with open(folder / "specs.jsonl", encoding="utf-8") as lines:
        return parse(next(islice(lines, index, None)))


def parse(line: str) -> list[Spec]:
    """A line of specs.jsonl: one task."""
    return [specs.restore(raw) for raw in json.loads(line)]


def know(folder: Path, job: str) -> None:
    write_atomic(folder / "job.json", json.dumps({"job": job}).encode())


def close(folder: Path) -> bool:
    """Nothing of this array is in the queue any more, so it need not be looked at again; whether it is this call that says so."""
    try:
        (folder / "over").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def open_arrays(root: Path) -> list[Submitted]:
    """Every array that may still be in the queue."""
    folders = [p.parent for p in (root / ".work" / "arrays").glob("*/map.json") if not (p.parent / "over").exists()]
    return [_read(f) for f in sorted(folders)]


def match(opened: list[Submitted], queue: list[Task], now: float) -> tuple[dict[str, Task | None], list[Submitted]]:
    """Key to its task in the queue (None: submitted a moment ago and not to be seen yet), and the arrays that are over.

    An array is found by the token in its job name, so one whose id was never written down is found too.
    """
    by_token: dict[str, list[Task]] = {}
    for task in queue:
        by_token.setdefault(task.name.rpartition(".")[2], []).append(task)
    queued: dict[str, Task | None] = {}
    over = []
    for array in opened:
        tasks = by_token.get(array.token, [])
        queued |= {key: t for t in tasks if t.index < len(array.keys) for key in array.keys[t.index]}
        if not tasks and array.job is None and now - array.at < ACCEPT_S:
            queued |= dict.fromkeys(key for keys in array.keys for key in keys)
        elif not tasks:
            over.append(array)
        elif array.job is None:
            know(array.folder, tasks[0].job)
    return queued, over


def _read(folder: Path) -> Submitted:
    told: Mapping = json.loads((folder / "map.json").read_bytes())
    try:
        job = json.loads((folder / "job.json").read_bytes())["job"]
    except FileNotFoundError:
        job = None
    return Submitted(folder, tuple(map(tuple, told["keys"])), job, told["at"])
