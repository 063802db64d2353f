"""Studies that share a store: which tasks of the queue are this one's, which of these another one waits for, and what a
person is told of both.
"""

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from winsweep.amounts import plural
from winsweep.attempt import arrays
from winsweep.errors import WinsweepError
from winsweep.results import path_of
from winsweep.slurm import pending_finalizers, watchdog
from winsweep.slurm.pending_finalizers import Waiting
from winsweep.workspace import Workspace

Told = Mapping[str, list[dict[str, Any]]]  # by a task's id, the specs of what it makes


def own(workspace: Workspace, found: Waiting) -> set[str]:
    """Ids of tasks that make something of this study, or that it asked for before its file was edited (its name, too),
    and of its finalizers.
    """
    keys, told, path = {a.key for a in workspace.order}, _told(found), str(workspace.study.path.resolve())
    asked = {task.id for _, task in found if any(spec["study"] == path for spec in told[task.id])}
    makes = {task.id for array, task in found if not keys.isdisjoint(array.keys[task.index])}
    return (
        asked | makes | {task.id for array, task in _finalizers(found) if pending_finalizers.is_own(array, workspace)}
    )


def of_earlier_text(workspace: Workspace, found: Waiting) -> list[str]:
    """What scancel is given for tasks that this study asked for before its file was edited and that nobody wants now: a
    job, or tasks of one. None where `workspace` is not all of the study.
    """
    if len(workspace.judged) < len(workspace.cells) or not workspace.has_table:
        return []
    now = {a.key for a in workspace.order} | {pending_finalizers.key_of(workspace)}
    if not any(now.isdisjoint(array.keys[task.index]) for array, task in found if array.keys != watchdog.KEYS):
        return []  # and no specs are read
    now |= needed_by_others(workspace, found)
    meant, jobs = own(workspace, found), dict[str, list[int]]()
    wanted = {task.job for array, task in found if task.id not in meant or not now.isdisjoint(array.keys[task.index])}
    for array, task in found:
        if task.id in meant and now.isdisjoint(array.keys[task.index]):
            jobs.setdefault(task.job, []).append(task.index)
    return [f"{job}_[{','.join(map(str, sorted(of)))}]" if job in wanted else job for job, of in jobs.items()]


def needed_by_others(workspace: Workspace, found: Waiting) -> set[str]:
    """Keys that finalizers of other studies see to, and those that are made in the queue for them."""
    told, todo, needed = _told(found), set(_asked_by_others(workspace, found)), set[str]()
    makers = {key: task.id for array, task in found for key in array.keys[task.index]}
    while todo:
        needed.add(key := todo.pop())
        specs = told[makers[key]] if key in makers else []
        todo |= {k for spec in specs for of in ("inputs", "gates") for k in spec[of].values()} - needed
    return needed


def namesakes(workspace: Workspace, found: Waiting) -> list[str]:
    """Other files in the queue whose study has this one's name."""
    of_others = [array for array, _ in _finalizers(found) if not pending_finalizers.is_own(array, workspace)]
    name = ((pending_finalizers.key_of(workspace),),)
    return sorted({pending_finalizers.told_to(array)["study"] for array in of_others if array.keys == name})


def _asked_by_others(workspace: Workspace, found: Waiting) -> Iterator[str]:
    for array, _ in _finalizers(found):
        if not pending_finalizers.is_own(array, workspace):
            told = pending_finalizers.told_to(array)
            yield from (told["asked"][cell] for cell in told["cells"])
            yield from told["analyses"].values()


def _finalizers(found: Waiting) -> Waiting:
    return [(array, task) for array, task in found if pending_finalizers.is_finalizer(array)]


def _told(found: Waiting) -> Told:
    """Finalizers and watchdogs have no specs; nor has an array that another launcher has just taken back."""
    of_array: dict[str, list[list[dict]]] = {}
    for array, _ in found:
        if array.token not in of_array:
            of_array[array.token] = []
            with contextlib.suppress(FileNotFoundError):
                of_array[array.token] = arrays.all_told(array.folder)
    rows = {task.id: (of_array[array.token], task.index) for array, task in found}
    return {name: specs[index] if index < len(specs) else [] for name, (specs, index) in rows.items()}


def say_earlier(workspace: Workspace, found: Waiting) -> str:
    """A line for what an edit of the study left in the queue."""
    if not (jobs := of_earlier_text(workspace, found)):
        return ""
    return (
        f"queued or running: {plural(len(jobs), 'job')} of what this study asked for before it was edited, which "
        f"nothing needs now; to take {'them' if jobs[1:] else 'it'} out: {shlex.join(['scancel', *jobs])}\n"
    )


def say_namesakes(workspace: Workspace, found: Waiting) -> str:
    """A line for another file of this name in the queue: one of the two would write over the other's table."""
    return "".join(
        f"note: {path} is in the queue and has the name {workspace.study.name}, too; both write "
        f"{path_of(workspace)}; type another name: in one of them\n"
        for path in namesakes(workspace, found)
    )


def say(workspace: Workspace, found: Waiting) -> str:
    """What is in the queue and not of the study as it stands; nothing where another launcher takes a job back just now,
    or what another study left is damaged: that ends no command on this one.
    """
    try:
        return say_earlier(workspace, found) + say_namesakes(workspace, found)
    except (FileNotFoundError, WinsweepError):
        return ""
