"""What is written down before sbatch: the folder of an array, with what its tasks make, and that of a closing job, with what it sees to."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.attempt import arrays, history
from winsweep.attempt import spec as specs
from winsweep.attempt.retry import ChainProgress, bad_nodes
from winsweep.attempt.spec import Spec
from winsweep.house import House
from winsweep.placement import Cluster, Placement
from winsweep.slurm import chain, finalizer, queue, slurm
from winsweep.slurm.chain import Array
from winsweep.slurm.finalizer import CLOSING, CLOSING_FILE, Waiting
from winsweep.slurm.queue import Task
from winsweep.store.manifest import write_atomic

# A closing job is submitted first, to begin so late, and is told afterwards what it waits for; so it looks also where its launcher died between.
BEGIN_S = 180


def running_jobs(house: House, found: Waiting) -> list[str]:
    """Jobs in the queue that make something of this study that is not there."""
    return sorted({t.job for t in running_tasks(house, found)}, key=int)


def running_tasks(house: House, found: Waiting) -> list[Task]:
    wanted = {a.key for a in house.order} - house.store.published().keys()
    return [t for array, t in found if not wanted.isdisjoint(array.keys[t.index])]


def open_array(house: House, cluster: Cluster, array: Array, code: Path) -> tuple[Path, str, str]:
    """Write down what the tasks of an array are to make; its folder, its job name and the command of each task, run from `code`."""
    told = [[spec_of(house, a, cluster.placements.of(a.stage, a.label)) for a in task] for task in array.slots()]
    folder, name = arrays.open_folder(house.store.root, array.title, [[a.key for a in task] for task in array.slots()], told)
    return folder, name, slurm.command(code, "winsweep.slurm.node", folder)


def closing_array(house: House, cluster: Cluster, after: Sequence[int | str]) -> Array:
    """The job that looks again when all of `after` are over: it submits what can be tried again, or makes the table."""
    placed = cluster.placements.of("aggregate", house.study.name)
    return Array(placed, ((Artifact(CLOSING, 1, house.study.name, {}, {}),),), tuple(chain.After(job) for job in after), begin_s=BEGIN_S)


def closing_told(house: House, cluster: Cluster, code: Path, now: ChainProgress) -> dict[str, object]:
    """What a closing job must know, as JSON has it, and the code that it runs."""
    return {"study": str(house.study.path.resolve()), "store": str(house.store.root), "cluster": str(cluster.file.resolve()),
            "name": house.study.name, "cells": sorted(house.judged), "has_table": house.has_table, "code": str(code),
            **finalizer.asked(house), "chain_progress": vars(now)}


def open_closing(house: House, told: Mapping[str, object], code: Path) -> tuple[Path, str, str]:
    """Write that down; see open_array."""
    folder, name = arrays.open_folder(house.store.root, CLOSING, [[finalizer.key_of(house)]])
    write_atomic(folder / CLOSING_FILE, json.dumps(told).encode())
    return folder, name, slurm.command(code, "winsweep.slurm.closing", folder)


def leave_out(house: House, label: str) -> None:
    """From now on no closing job of this study submits or waits for this cell."""
    for opened in arrays.open_arrays(house.store.root):
        if opened.keys == ((finalizer.key_of(house),),):
            told = finalizer.told_to(opened)
            left = [c for c in told["cells"] if c != label]
            write_atomic(opened.folder / CLOSING_FILE, json.dumps(told | {"cells": left}).encode())


def spec_of(house: House, a: Artifact, placed: Placement) -> Spec:
    return specs.make(a, house.store.root, house.study.path.resolve(), house.study.files, placed)


def excluded(house: House) -> list[str]:
    """Nodes that this study's attempts died on twice within a day, but never more than a quarter of the cluster."""
    begun = house.store.begun()
    ends = [e for a in house.order if a.key in begun for e in history.ends(house.store, a.key)]
    now = time.time()
    if not bad_nodes(ends, now):
        return []
    return bad_nodes(ends, now, len(set(queue.run(["sinfo", "-h", "-N", "-o", "%N"]).split())))
