"""Finalizers that are in the queue already: one that would do the same is given more to wait for, instead of another
one beside it.
"""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from winsweep.attempt import arrays
from winsweep.attempt.arrays import Submitted
from winsweep.errors import ClusterDown
from winsweep.slurm import queue, watchdog
from winsweep.slurm.queue import Task
from winsweep.workspace import Workspace

FINALIZER = "finalizer"  # the array of one task that comes after all others: it looks again and makes the table
FINALIZER_FILE = "finalizer.json"
DEPENDENCY_SET = "dependency_set"  # a file in its folder: SLURM knows what it waits for
Waiting = Sequence[tuple[Submitted, Task]]


def key_of(workspace: Workspace) -> str:
    """What stands for the finalizer of a study in the list of what an array makes."""
    return f"{FINALIZER}/{workspace.study.name}"


def is_finalizer(array: Submitted) -> bool:
    """Of whichever study."""
    return len(array.keys) == 1 and any(key.startswith(f"{FINALIZER}/") for key in array.keys[0])


def asked(workspace: Workspace) -> dict[str, dict[str, str]]:
    """What a finalizer sees to, with what stands for it, which changes with the study's file; analyses that were left
    alone are not among it.
    """
    return {
        "asked": {label: a.key for label, a in workspace.judged.items()},
        "analyses": {name: a.key for name, a in workspace.analyses.items()},
    }


def told_to(array: Submitted) -> dict:
    """What the finalizer was submitted with, as JSON has it."""
    return arrays.heard(array.folder / FINALIZER_FILE)


def is_own(array: Submitted, workspace: Workspace) -> bool:
    """Whether a finalizer is of this study's file, under whatever name, or of this name and nobody else's: its file is
    gone, or asks for the same.
    """
    told = told_to(array)
    if told["study"] == str(workspace.study.path.resolve()):
        return True
    return array.keys == ((key_of(workspace),),) and (
        not Path(told["study"]).is_file()
        or still_asked(told, workspace) == (set(told["cells"]), told["analyses"].keys())
    )


def covers(array: Submitted, workspace: Workspace) -> bool:
    """Whether an array is a finalizer of this study that sees to all cells of `workspace`, and whose own are all asked
    for as they were: else it will leave everything to a person.
    """
    if array.keys != ((key_of(workspace),),):
        return False
    told = told_to(array)
    return (
        told["has_table"] == workspace.has_table
        and set(told["cells"]) >= workspace.judged.keys()
        and told["analyses"].keys() >= workspace.analyses.keys()
        and still_asked(told, workspace) == (set(told["cells"]), told["analyses"].keys())
    )


def still_asked(told: Mapping[str, Any], workspace: Workspace) -> tuple[set[str], set[str]]:
    """Which cells and analyses of those that a finalizer was told of the study's file asks for as it did then."""
    known = workspace.study.analyses
    cells = {c for c in told["cells"] if c in workspace.cells and told["asked"].get(c) == _cell_key(workspace, c)}
    # an analysis whose cell was cancelled is left out by the finalizer, whatever it asks
    gone = {name for name in told["analyses"] if name in known and known[name].cell.label not in told["cells"]}
    return cells, gone | {n for n, key in told["analyses"].items() if n in known and key == _analysis_key(workspace, n)}


def _cell_key(workspace: Workspace, label: str) -> str:
    """What stands for a cell now, in this workspace or left out of it; "" for a model that there is not."""
    if label in workspace.judged:
        return workspace.judged[label].key
    cell = workspace.cells[label]
    if workspace.has_table:
        return workspace.need("judge", cell.comparison).key
    return workspace.need("collect", cell.training).key if cell.training else ""


def _analysis_key(workspace: Workspace, name: str) -> str:
    analysis = workspace.study.analyses[name]
    return (workspace.analyses.get(name) or workspace.need(analysis.stage, analysis.ask)).key


def joined(told: Mapping[str, Any], workspace: Workspace, found: Waiting) -> tuple[dict[str, Any], Waiting]:
    """What a finalizer must know that is to take the place of those that wait for the same, and these; less what the
    study's file does not ask for any more.
    """
    waiting = [
        (array, task)
        for array, task in found
        if array.keys == ((key_of(workspace),),)
        and task.state == "PENDING"
        and is_own(array, workspace)
        and told_to(array)["has_table"] == told["has_table"]
    ]
    asks: dict[str, str] = {}
    analyses: dict[str, str] = {}
    for before in [told_to(array) for array, _ in waiting]:
        cells, names = still_asked(before, workspace)
        asks |= {c: before["asked"][c] for c in sorted(cells)}
        analyses |= {name: before["analyses"][name] for name in sorted(names)}
    asks, analyses = asks | dict(told["asked"]), analyses | dict(told["analyses"])
    return {**told, "cells": sorted(asks), "asked": asks, "analyses": analyses}, waiting


def others(found: Waiting, present: Set[str]) -> list[str]:
    """Jobs of the store that make something which is not there, for one that waits for more cells than the caller's."""
    makes = [(task.job, key) for array, task in found for key in array.keys[task.index]]
    return sorted(
        {job for job, key in makes if key not in present and not key.startswith((FINALIZER, watchdog.WATCHDOG))},
        key=int,
    )


def same(told: Mapping[str, object], waiting: Waiting) -> tuple[Submitted, Task] | None:
    """One that would do the same; it goes on with the chain's progress of `told`."""
    found = next(
        (x for x in waiting if told_to(x[0]) | {"chain_progress": None} == {**told, "chain_progress": None}), None
    )
    if found:
        arrays.tell(found[0].folder / FINALIZER_FILE, told)
    return found


def set_dependency(root: Path, job: str, dependency: Sequence[str]) -> None:
    """Let a finalizer that was submitted to begin at a time begin behind what it waits for, in scontrol's words, or
    (without any) now.

    A launcher that dies before leaves that to the next one.
    """
    try:
        queue.run(["scontrol", "update", f"JobId={job}", "StartTime=now", *dependency])
    except ClusterDown:  # it has begun, or will by itself
        return
    for opened in arrays.open_arrays(root):
        if opened.job == job:
            (opened.folder / DEPENDENCY_SET).touch()


def has_dependency(array: Submitted) -> bool:
    return (array.folder / DEPENDENCY_SET).exists()
