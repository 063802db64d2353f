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


def covers(array: Submitted, workspace: Workspace) -> bool:
    """Whether an array is a finalizer of this study that sees to all cells of `workspace`."""
    if array.keys != ((key_of(workspace),),):
        return False
    told = told_to(array)
    return (
        told["has_table"] == workspace.has_table
        and set(told["cells"]) >= workspace.judged.keys()
        and told["analyses"].keys() >= workspace.analyses.keys()
    )


def joined(told: Mapping[str, Any], workspace: Workspace, found: Waiting) -> tuple[dict[str, Any], Waiting]:
    """What a finalizer must know that is to take the place of those that wait for the same, and these."""
    waiting = [
        (array, task)
        for array, task in found
        if array.keys == ((key_of(workspace),),)
        and task.state == "PENDING"
        and told_to(array)["has_table"] == told["has_table"]
    ]
    known = {cell.label for cell in workspace.study.table.cells}
    before = [told_to(array) for array, _ in waiting]
    asks = {c: key for of in before for c, key in of["asked"].items() if c in known and c in of["cells"]} | dict(
        told["asked"]
    )
    analyses = {
        name: key for of in before for name, key in of["analyses"].items() if name in workspace.study.analyses
    } | dict(told["analyses"])
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
