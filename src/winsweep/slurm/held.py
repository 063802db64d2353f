"""Tasks that SLURM holds: released, three times at most, or cancelled where their results are there; so that nobody
waits for them for ever.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from winsweep.attempt import arrays, history
from winsweep.attempt.arrays import Submitted
from winsweep.errors import ClusterDown
from winsweep.slurm import queue
from winsweep.slurm.queue import Task
from winsweep.store import small_files
from winsweep.store.manifest import write_atomic
from winsweep.store.store import Store

FIRST_S, LONGEST_S = 30.0, 900.0  # between looks at the queue
RELEASES = 3  # of one task; one that is held again after that cannot start


def release_or_cancel(store: Store, found: Sequence[tuple[Submitted, Task]]) -> list[str]:
    """What was done, a line for each held task of `found`; a task that its own user holds is left alone until its
    results are there.

    A task that is given up counts as a lost attempt, or (where SLURM does not let its user release it) as a failure.
    """
    held = [(array, task) for array, task in found if queue.is_held(task)]
    present = store.published().keys() if held else ()
    said = []
    for array, task in held:
        keys = array.keys[task.index]
        if keys and all(key in present for key in keys):
            queue.run(["scancel", task.id])
            said.append(f"{task.id} was held, and its results are there: cancelled")
        elif queue.held_by(task) != "user":
            said.append(_release(store, array, task))
    return said


def _release(store: Store, array: Submitted, task: Task) -> str:
    """Release a task once more, or give it up; a finalizer or a watchdog is never given up, as they end what is left to
    end.
    """
    before, makes = _releases(array.folder, task.index), (array.folder / "specs.jsonl").stat().st_size
    if len(before) >= RELEASES and makes:
        return _give_up(store, array, task, before)
    try:
        queue.run(["scontrol", "release", task.id])
        answer = ""
    except ClusterDown as e:
        answer = " ".join(str(e).split())
    if not answer or "denied" in answer.lower():  # an administrator holds it; else it may be over by now
        with open(array.folder / "releases", "a", encoding="utf-8") as f:
            f.write(f"{task.index} {answer}\n")
    return f"{task.id} was held ({task.reason}): {'released' if not answer else 'not released: ' + answer}"


def _give_up(store: Store, array: Submitted, task: Task, before: list[str]) -> str:
    why = (
        f"SLURM held it ({task.reason}) and {len(before)} times scontrol release did not "
        f"help{': ' * bool(before[-1])}{before[-1]}"
    )
    queue.run(["scancel", task.id])
    for key in history.could_begin(arrays.told_to(array.folder, task.index), store.published().keys()):
        history.lose(store, key, task.id, why, "held" if before[-1] else "lost")
    return f"{task.id}: {why}; cancelled"


def _releases(folder: Path, index: int) -> list[str]:
    """What each release of a task said, "" where it was done."""
    try:
        lines = (folder / "releases").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [said for n, _, said in (line.partition(" ") for line in lines) if n == str(index)]


def look(store: Store) -> list[tuple[Submitted, Task]]:
    """Release or cancel what is held; the tasks of a store that are in the queue."""
    _note(store.root, "looked")
    found = queue.pairs(arrays.open_arrays(store.root), queue.snapshot())
    said = release_or_cancel(store, found)
    if not said:
        return found
    print("\n".join(said), flush=True)
    if any(len(_releases(array.folder, task.index)) < RELEASES for array, task in found if queue.is_held(task)):
        mark_changed(store.root)
    return queue.pairs([array for array, _ in found], queue.snapshot())


def look_at_times(root: Path) -> None:
    """A look at the end of a task, if the last one is as long ago as a watchdog waits; that SLURM does not answer is no
    matter here.
    """
    if time.time() - _noted(root, "looked") < wait_s(root):
        return
    try:
        look(Store(root).open(is_made=True))
    except (ClusterDown, OSError) as e:
        print(f"no look at the queue: {e}", file=sys.stderr, flush=True)


def mark_changed(root: Path) -> None:
    """Something was submitted or mended: the next look is soon."""
    _note(root, "changed")


def wait_s(root: Path) -> float:
    """How long until the next look: twice as long each time, as long as nothing is submitted or mended."""
    return min(max(time.time() - _noted(root, "changed"), FIRST_S), LONGEST_S)


def _note(root: Path, name: str) -> None:
    write_atomic(root / ".work" / "arrays" / name, str(time.time()).encode())


def _noted(root: Path, name: str) -> float:
    """When, in seconds since 1970; 0 where nobody has noted it, or what is noted has not come yet."""
    try:
        at = float(small_files.text(root / ".work" / "arrays" / name))
    except ValueError:
        return 0.0
    return at if 0 <= at <= time.time() else 0.0
