"""What `sweep.py --cancel` does: a person takes a study, or cells of it, out of the queue."""

from collections.abc import Sequence

from winsweep import cell_results
from winsweep.amounts import plural
from winsweep.attempt import history
from winsweep.slurm import neighbours, pending_finalizers, queue, watchdog
from winsweep.slurm.array_folders import leave_out
from winsweep.slurm.reconcile import Look, judged_cells, look
from winsweep.workspace import Workspace, chain


def cancel(workspace: Workspace, name: str) -> int:
    """Take tasks out of the queue: of a cell, an arm or a model what no other cell needs, or all of the study; but none
    that another study of the store waits for.
    """
    labels = cell_results.several(workspace, name, "--cancel") if name else []
    seen = look(workspace)
    meant = of_cells(workspace, labels, seen) if labels else neighbours.own(workspace, seen.tasks)
    needed = neighbours.needed_by_others(workspace, seen.tasks)
    others = {task.id for array, task in seen.tasks if not needed.isdisjoint(array.keys[task.index])}
    for label in labels:
        leave_out(workspace, label)
    tasks = sorted(meant - others)
    call_off(workspace, seen, tasks)
    queue.cancel(tasks)
    if not labels:
        watchdog.drop(workspace.store.root, "")
    stay = f"; {len(meant & others)} stay, as another study of this store waits for them" if meant & others else ""
    said = f"{plural(len(tasks), 'task')} cancelled{stay}"
    print(f"{said}; what is finished stays; the same command without --cancel goes on")
    return 0


def of_cells(workspace: Workspace, labels: Sequence[str], seen: Look) -> set[str]:
    """Ids of tasks that make nothing but what these cells alone need."""
    keys = own(workspace, labels)
    return {task.id for array, task in seen.tasks if keys.issuperset(array.keys[task.index])}


def call_off(workspace: Workspace, seen: Look, tasks: Sequence[str]) -> None:
    """What a person takes out of the queue does not count as tried; neither does the table that a finalizer among it is
    making.
    """
    for array, task in seen.tasks:
        for key in array.keys[task.index] if task.id in tasks else ():
            if not key.startswith(f"{pending_finalizers.FINALIZER}/"):
                history.call_off(workspace.store, key, f"slurm-{task.id}")
            elif (
                key == pending_finalizers.key_of(workspace)
                and workspace.has_table
                and (done := judged_cells(workspace, seen.items))
            ):
                history.call_off(workspace.store, workspace.table(done).key)


def own(workspace: Workspace, labels: Sequence[str]) -> set[str]:
    """Keys that only these cells need."""

    def keys(name: str) -> set[str]:
        return {a.key for of_stage in chain(workspace.ends(name)).values() for a in of_stage}

    others: Sequence[set[str]] = [keys(name) for name in workspace.judged if name not in labels]
    return set[str]().union(*map(keys, labels)).difference(*others)
