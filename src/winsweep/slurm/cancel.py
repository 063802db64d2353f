"""What `sweep.py --cancel` does: a person takes a study, or one cell, out of the queue."""

from collections.abc import Sequence

from winsweep import strict
from winsweep.amounts import plural
from winsweep.attempt import history
from winsweep.errors import BadStudy
from winsweep.slurm import pending_finalizers, queue, watchdog
from winsweep.slurm.array_folders import leave_out
from winsweep.slurm.reconcile import Look, judged_cells, look
from winsweep.workspace import Workspace, chain


def cancel(workspace: Workspace, label: str) -> int:
    """Take tasks out of the queue: of one cell what no other cell needs, or all."""
    if label and label not in workspace.judged:
        raise BadStudy(f"--cancel {label}: no such cell; {strict.near(label, workspace.judged)}")
    seen = look(workspace)
    keys = own(workspace, label) if label else set(seen.queued)
    if label:
        leave_out(workspace, label)
    kept = {t.id for key, t in seen.queued.items() if t and key not in keys}  # it makes something else, too
    tasks = sorted({t.id for key, t in seen.queued.items() if t and key in keys} - kept)
    call_off(workspace, seen, tasks)
    queue.cancel(tasks)
    if not label:
        watchdog.drop(workspace.store.root, "")
    print(f"{plural(len(tasks), 'task')} cancelled; what is finished stays; the same command without --cancel goes on")
    return 0


def call_off(workspace: Workspace, seen: Look, tasks: Sequence[str]) -> None:
    """What a person takes out of the queue does not count as tried; neither does the table that a finalizer among it is
    making.
    """
    for array, task in seen.tasks:
        for key in array.keys[task.index] if task.id in tasks else ():
            if key != pending_finalizers.key_of(workspace):
                history.call_off(workspace.store, key, f"slurm-{task.id}")
            elif workspace.has_table and (done := judged_cells(workspace, seen.items)):
                history.call_off(workspace.store, workspace.table(done).key)


def own(workspace: Workspace, label: str) -> set[str]:
    """Keys that only this cell needs."""

    def keys(name: str) -> set[str]:
        return {a.key for of_stage in chain(workspace.ends(name)).values() for a in of_stage}

    others: Sequence[set[str]] = [keys(name) for name in workspace.judged if name != label]
    return keys(label).difference(*others)
