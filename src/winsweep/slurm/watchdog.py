"""The job of a store that looks after its others, `python -m winsweep.slurm.watchdog FOLDER`: it begins at a time, so
that it waits for nobody.

It releases what SLURM holds and submits the next one as long as anything of the store is in the queue.
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from winsweep import layout, placement
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.attempt import arrays
from winsweep.attempt.arrays import Submitted
from winsweep.errors import ClusterDown, Refused
from winsweep.placement import Placement
from winsweep.slurm import batch_script, held, queue, sbatch, task_script
from winsweep.slurm.chain import Array
from winsweep.slurm.queue import Task
from winsweep.store.store import Store

WATCHDOG = "watchdog"
FILE = "watchdog.json"
KEYS = ((f"{WATCHDOG}/store",),)
DOWN_S, POLL_S = 1800.0, 10.0  # how long SLURM may be away, and how often it is asked meanwhile


def main(folder: Path) -> None:
    """One look; a watchdog that has a successor already (it was requeued) does nothing."""
    task_script.mark_begun(folder)
    told, own = arrays.heard(folder / FILE), os.environ["SLURM_ARRAY_JOB_ID"]
    store, limit = Store(Path(told["store"])).open(is_made=True), time.monotonic() + DOWN_S
    while True:
        try:
            found = held.look(store)
            if any(int(task.job) > int(own) for task in watchdogs(found)) or not of_others(found):
                return
            job = submit(store.root, placement.restore(told["placement"]), layout.ROOT, held.wait_s(store.root), folder)
            print(f"{plural(len(of_others(found)), 'task')} in the queue; job {job} looks again", flush=True)
            if told["before"]:
                shutil.rmtree(told["before"], ignore_errors=True)
            return
        except ClusterDown as e:  # unknown is not gone
            print(e, file=sys.stderr, flush=True)
            if time.monotonic() > limit:
                raise
            time.sleep(POLL_S)


def ensure(root: Path, placed: Placement, code: Path, found: Sequence[tuple[Submitted, Task]]) -> None:
    """Something was submitted: there is a watchdog, and the next look is soon; where SLURM takes no more jobs,
    finalizers and tasks look alone.
    """
    held.mark_changed(root)
    waiting = [task for task in watchdogs(found) if task.state == "PENDING"]
    try:
        if not any(_begins_soon(task) for task in waiting):
            submit(root, placed, code, held.FIRST_S)
    except ClusterDown as e:
        print(f"no watchdog: {e}", file=sys.stderr, flush=True)


def _begins_soon(task: Task) -> bool:
    """Whether one that waited is told so. One that has begun since may have looked before the caller submitted."""
    try:
        queue.run(["scontrol", "update", f"JobId={task.id}", f"StartTime=now+{held.FIRST_S:.0f}"])
    except ClusterDown:
        return False
    return True


def drop(root: Path, own_job: str) -> None:
    """Take the watchdog out of the queue if nothing is there to look after, but the caller's job."""
    found = queue.pairs(arrays.open_arrays(root), queue.snapshot())
    mine = [task.id for task in watchdogs(found)]
    if mine and not any(task.job != own_job for task in of_others(found)):
        queue.run(["scancel", *mine])


def watchdogs(found: Sequence[tuple[Submitted, Task]]) -> list[Task]:
    return [task for array, task in found if array.keys == KEYS]


def of_others(found: Sequence[tuple[Submitted, Task]]) -> list[Task]:
    return [task for array, task in found if array.keys != KEYS]


def submit(root: Path, placed: Placement, code: Path, begin_s: float, before: Path | None = None) -> str:
    """One sbatch; the job id."""
    array = array_of(placed, begin_s)
    folder, name, run = opened(root, placed, code, before)
    try:
        job = sbatch.submit(array, folder, run, name, "", [])
    except Refused:
        arrays.close(folder)
        raise
    arrays.know(folder, job)
    return job


def array_of(placed: Placement, begin_s: float) -> Array:
    return Array(task_script.outside(placed), ((Artifact(WATCHDOG, 1, "store", {}, {}),),), (), begin_s=int(begin_s))


def opened(root: Path, placed: Placement, code: Path, before: Path | None = None) -> tuple[Path, str, str]:
    """Write down what a watchdog must know; its folder, its job name and its command, run from `code`."""
    told = {"store": str(root), "placement": placement.plain(placed), "before": str(before) if before else ""}
    folder, name = arrays.open_folder(root, WATCHDOG, KEYS, files={FILE: told})
    return folder, name, batch_script.command(task_script.outside(placed), code, "winsweep.slurm.watchdog", folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
