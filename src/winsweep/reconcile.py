"""One look at a study on a SLURM cluster: what is done, queued, failed; what is missing is submitted as a chain of arrays."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from winsweep import arrays, chain, history, liveness, queue, slurm, spec as specs
from winsweep.artifact import Artifact
from winsweep.chain import Array
from winsweep.errors import Busy, ClusterDown
from winsweep.freeze import freeze
from winsweep.house import House
from winsweep.placement import Cluster, Placement
from winsweep.plan import Item
from winsweep.results import publish_table
from winsweep.retry import bad_nodes

CLOSING = "closing"  # the array of one task that comes after all others: it looks again and makes the table
LOCK_S = 120.0


@dataclass(frozen=True)
class Look:
    """What a tick saw and did."""

    items: list[Item]
    queued: dict[str, queue.Task | None]
    submitted: list[tuple[Array, str]]  # each with its job id
    closing: bool  # whether a closing job other than the caller is in the queue

    @property
    def unsettled(self) -> bool:
        """Whether some attempts may be there or not: submitted without an answer, or silent for less time than proves them dead."""
        return None in self.queued.values() or any(i.state == "running" and i.artifact.key not in self.queued for i in self.items)


def look(house: House, own_job: str = "") -> Look:
    """The study as it stands: the store, and one squeue if anything may be in the queue; nothing is submitted. `own_job` is a closing job's id."""
    opened = arrays.open_arrays(house.store.root)
    tasks = queue.snapshot() if opened else []
    queued, over = arrays.match(opened, tasks, time.time())
    for array in over:
        if arrays.close(array.folder):
            history.note_lost(house.store, array)
    said = {key: f"job {t.id}: {queue.words(t)}" if t else "was submitted a moment ago" for key, t in queued.items()}
    facts = house.facts({key: why for key, why in said.items() if not key.startswith(CLOSING)})
    items = drop_stale(house, house.plan(facts))
    closings = {x.token for x in opened if x.keys == (f"{CLOSING}/{house.study.name}",)}
    return Look(items, queued, [], any(t.job != own_job and t.name.rpartition(".")[2] in closings for t in tasks))


def drop_stale(house: House, items: list[Item]) -> list[Item]:
    """`items` with what is stale out of the way; see controller.look for why it is looked at twice."""
    stamps = {i.artifact: house.store.stamp(house.store.root / i.artifact.name) for i in items if i.stale}
    if stamps:
        again = {i.artifact for i in house.plan(house.facts()) if i.stale}
        for a in again & stamps.keys():
            house.store.retire(a, stamps[a])
    return items


def tick(house: House, cluster: Cluster, retry_failed: bool = False, own_job: str = "") -> Look:
    """Submit everything that is missing and that nothing speaks against, then a closing job; at most one sbatch per array.

    Only one launcher submits at a time; Busy names the other. Judged cells are made into a table by the closing job, and whatever
    is in the queue has one behind it, also if the launcher that submitted it was killed before it came to that.
    """
    if retry_failed:
        history.forgive(house.store, history.failures(house.store, [a.key for a in house.order]))
    items = house.plan(house.facts())
    publish_table(house.store, house.study.name, house.table(judged_cells(house, items)).key)
    if all(i.state == "done" for i in items):
        return Look(items, {}, [], closing=False)  # and SLURM was not asked anything
    with Lock(house):
        seen = look(house, own_job)
        todo = planned(house, seen.items, cluster)
        done = submit_chain(house, cluster, todo)
        if done or (not seen.closing and needs_closing(house, seen, own_job)):
            done.append(submit_closing(house, cluster, [job for _, job in done] + running_jobs(seen)))
        return Look(seen.items, seen.queued, done, bool(done) or seen.closing)


def needs_closing(house: House, seen: Look, own_job: str) -> bool:
    """Whether somebody must look again: results are on their way, or (but a closing job has just tried that) the table is missing."""
    return not seen.queued.keys().isdisjoint(a.key for a in house.order) or (not own_job and table_is_missing(house, seen.items))


def planned(house: House, items: Sequence[Item], cluster: Cluster) -> list[Array]:
    """The arrays that a tick would submit; the table is the closing job's."""
    return chain.arrays([i for i in items if i.artifact.stage != "aggregate"], cluster.placements, queue.max_array_tasks())


def judged_cells(house: House, items: Sequence[Item]) -> set[str]:
    """Labels of the cells that are judged."""
    states = {i.artifact.key: i.state for i in items}
    return {label for label, a in house.judged.items() if states.get(a.key, "done") == "done"}


def table_is_missing(house: House, items: Sequence[Item]) -> bool:
    """Whether some cells are judged and the table of just these is not made."""
    done = judged_cells(house, items)
    return bool(done) and house.table(done).key not in house.store.published()


def running_jobs(seen: Look) -> list[str]:
    return sorted({t.job for key, t in seen.queued.items() if t and not key.startswith(CLOSING)})


def submit_chain(house: House, cluster: Cluster, todo: Sequence[Array]) -> list[tuple[Array, str]]:
    """Submit arrays in order, each waiting for those before it that it names."""
    if not todo:
        return []
    code, exclude = freeze(house.store.root), excluded(house)
    jobs: list[str] = []
    for array in todo:
        paths = [write_spec(house, a, array.placement) for a in array.tasks]
        folder, name = arrays.open_folder(house.store.root, array.stage, [a.key for a in array.tasks], paths)
        run = slurm.command(code, "winsweep.node", folder)
        jobs.append(slurm.submit(array, folder, run, name, slurm.dependency_of(array, jobs), exclude))
        arrays.know(folder, jobs[-1])
    return list(zip(todo, jobs))


def submit_closing(house: House, cluster: Cluster, after: list[str]) -> tuple[Array, str]:
    """The job that looks again when all of `after` are over: it submits what can be tried again, or makes the table."""
    key = f"{CLOSING}/{house.study.name}"
    placed = cluster.placements.of("aggregate", house.study.name)
    array = Array(CLOSING, placed, (Artifact(CLOSING, 1, house.study.name, {}, {}),), tuple(chain.After(job) for job in after))
    folder, name = arrays.open_folder(house.store.root, CLOSING, [key], [house.study.path])
    told = {"study": str(house.study.path.resolve()), "store": str(house.store.root), "cluster": str(cluster.file.resolve()),
            "cells": sorted(house.judged)}
    (folder / "closing.json").write_text(json.dumps(told))
    code = freeze(house.store.root)
    job = slurm.submit(array, folder, slurm.command(code, "winsweep.closing", folder), name, slurm.dependency_of(array, []), [])
    arrays.know(folder, job)
    return array, job


def write_spec(house: House, a: Artifact, placed: Placement) -> Path:
    path = house.store.work(a.key) / "spec.json"
    specs.write(specs.make(a, house.store.root, house.study.path.resolve(), house.study.files, placed), path)
    return path


def excluded(house: House) -> list[str]:
    """Nodes that this study's attempts died on twice within a day, but never more than a quarter of the cluster."""
    ends = [e for a in house.order for e in history.ends(house.store, a.key)]
    now = time.time()
    if not bad_nodes(ends, now):
        return []
    return bad_nodes(ends, now, len(set(queue.run(["sinfo", "-h", "-N", "-o", "%N"]).split())))


class Lock:
    """Only one launcher of a study submits at a time; one that died is followed."""

    def __init__(self, house: House) -> None:
        self.store, self.key, self.claim = house.store, f"submit/{house.study.name}", None
        self.heartbeat = self.store.work(self.key) / "heartbeat"

    def __enter__(self) -> "Lock":
        limit = time.monotonic() + LOCK_S
        while self.claim is None:
            try:
                self.claim = self.store.claim(self.key, liveness.owner("launcher"), lambda name: liveness.alive(name, self.heartbeat))
            except Busy as e:
                if time.monotonic() > limit:
                    raise ClusterDown(f"{e}; it is submitting this study and has not ended in {LOCK_S:.0f} s; stop it or wait") from None
                time.sleep(0.2)
        self.stop = liveness.beat(self.heartbeat)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.claim.end({"kind": "done"})
