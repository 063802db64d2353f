"""What is written down before sbatch: the folder of an array, with what its tasks make, and that of a finalizer, with
what it sees to.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winsweep.artifact import Artifact
from winsweep.attempt import arrays, history
from winsweep.attempt import spec as specs
from winsweep.attempt.retry import ChainProgress, bad_nodes
from winsweep.attempt.spec import Spec
from winsweep.placement import Cluster, Placement
from winsweep.slurm import batch_script, chain, pending_finalizers, queue, task_script
from winsweep.slurm.chain import Array
from winsweep.slurm.pending_finalizers import FINALIZER, FINALIZER_FILE, Waiting
from winsweep.slurm.queue import Task
from winsweep.workspace import Workspace

# A finalizer is submitted first, to begin so late, and is told afterwards what it waits for; so it looks also where its
# launcher died between.
BEGIN_S = 180


def running_jobs(workspace: Workspace, found: Waiting) -> list[str]:
    """Jobs in the queue that make something of this study that is not there."""
    return sorted({t.job for t in running_tasks(workspace, found)}, key=int)


def running_tasks(workspace: Workspace, found: Waiting) -> list[Task]:
    wanted = {a.key for a in workspace.order} - workspace.store.published().keys()
    return [t for array, t in found if not wanted.isdisjoint(array.keys[t.index])]


def open_array(workspace: Workspace, cluster: Cluster, array: Array, code: Path) -> tuple[Path, str, str]:
    """Write down what the tasks of an array are to make; its folder, its job name and the command of each task, run
    from `code`.
    """
    told = [[spec_of(workspace, a, cluster.placements.of(a.stage, a.label)) for a in task] for task in array.slots()]
    folder, name = arrays.open_folder(
        workspace.store.root, array.title, [[a.key for a in task] for task in array.slots()], told
    )
    return folder, name, batch_script.command(array.placement, code, "winsweep.slurm.node", folder)


def finalizer_array(workspace: Workspace, cluster: Cluster, after: Sequence[int | str]) -> Array:
    """The job that looks again when all of `after` are over: it submits what can be tried again, or makes the table."""
    placed = task_script.outside(cluster.placements.of("aggregate", workspace.study.name))
    return Array(
        placed,
        ((Artifact(FINALIZER, 1, workspace.study.name, {}, {}),),),
        tuple(chain.After(job) for job in after),
        begin_s=BEGIN_S,
    )


def finalizer_request(workspace: Workspace, cluster: Cluster, code: Path, now: ChainProgress) -> dict[str, Any]:
    """What a finalizer must know, as JSON has it, and the code that it runs."""
    return {
        "study": str(workspace.study.path.resolve()),
        "store": str(workspace.store.root),
        "cluster": str(cluster.file.resolve()),
        "name": workspace.study.name,
        "cells": sorted(workspace.judged),
        "has_table": workspace.has_table,
        "code": str(code),
        **pending_finalizers.asked(workspace),
        "chain_progress": vars(now),
    }


def open_finalizer(workspace: Workspace, array: Array, told: Mapping[str, object], code: Path) -> tuple[Path, str, str]:
    """Write that down; see open_array."""
    tasks = [[pending_finalizers.key_of(workspace)]]
    folder, name = arrays.open_folder(workspace.store.root, FINALIZER, tasks, files={FINALIZER_FILE: told})
    return folder, name, batch_script.command(array.placement, code, "winsweep.slurm.finalizer", folder)


def leave_out(workspace: Workspace, label: str) -> None:
    """From now on no finalizer of this study submits or waits for this cell."""
    for opened in arrays.open_arrays(workspace.store.root):
        if opened.keys == ((pending_finalizers.key_of(workspace),),):
            with contextlib.suppress(FileNotFoundError):  # another launcher has just taken it back
                if not pending_finalizers.is_own(opened, workspace):
                    continue
                told = pending_finalizers.told_to(opened)
                left = [c for c in told["cells"] if c != label]
                arrays.tell(opened.folder / FINALIZER_FILE, told | {"cells": left})


def spec_of(workspace: Workspace, a: Artifact, placed: Placement) -> Spec:
    return specs.make(a, workspace.store.root, workspace.study.path.resolve(), workspace.study.files, placed)


def excluded(workspace: Workspace) -> list[str]:
    """Nodes that this study's attempts died on twice within a day, but never more than a quarter of the cluster."""
    store, begun = workspace.store, workspace.store.begun()
    there = store.published()  # by their first attempt: no node was lost with one
    tried = [a.key for a in workspace.order if a.key in begun and (a.key not in there or store.latest(a.key) != 1)]
    ends = [e for key in tried for e in history.ends(store, key)]
    now = time.time()
    if not bad_nodes(ends, now):
        return []
    return bad_nodes(ends, now, len(set(queue.lines(["sinfo", "-h", "-N", "-o", "%N"], r"\S+"))))
