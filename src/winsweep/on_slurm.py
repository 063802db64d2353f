"""What `sweep.py` does on a SLURM cluster, in the words of a person: submit, watch, show, cancel."""

import argparse
import sys
import time
from collections.abc import Sequence

from winsweep import queue, strict
from winsweep.controller import run_here
from winsweep.errors import BadStudy, ClusterDown
from winsweep.house import House, chain
from winsweep.placement import Cluster
from winsweep.reconcile import Look, judged_cells, look, planned, tick
from winsweep.slurm import dependency_of

WATCH_S = 30.0  # squeue asks a daemon that all users share


def act(house: House, cluster: Cluster, a: argparse.Namespace) -> int:
    """One call of the launcher; the exit code is 0 if nothing has failed."""
    if a.cancel is not None:
        return cancel(house, a.cancel)
    if a.dry_run:
        return dry_run(house, cluster)
    seen = tick(house, cluster, a.retry_failed)
    say_submitted(house, seen)
    run_here(house, cluster.placements, a.jobs)
    while a.watch and not over(seen):
        time.sleep(WATCH_S)
        try:
            seen = tick(house, cluster)
            say_submitted(house, seen)
            run_here(house, cluster.placements, a.jobs)
        except ClusterDown as e:  # unknown is not gone: look again later
            print(f"{e}", file=sys.stderr)
    return report(house, seen, f"python launch/sweep.py {a.study} --store {a.store} --cluster {a.cluster}")


def over(seen: Look) -> bool:
    return not seen.submitted and not seen.queued and not any(i.state in ("ready", "running") for i in seen.items if i.artifact.stage != "aggregate")


def say_submitted(house: House, seen: Look) -> None:
    for array, job in seen.submitted:
        waits = f" after {', '.join(str(x.on) if isinstance(x.on, str) else seen.submitted[x.on][1] for x in array.after)}" if array.after else ""
        print(f"job {job}: {array.stage}, {len(array.tasks)} task{'s' if len(array.tasks) > 1 else ''}{waits}", flush=True)


def report(house: House, seen: Look, command: str) -> int:
    done = judged_cells(house, seen.items)
    table = house.store.root / "results" / f"{house.study.name}.csv"
    print(f"{len(seen.submitted)} arrays submitted; {len(done)} of {len(house.judged)} cells judged; table: {table}")
    failed = [i for i in seen.items if i.state == "failed"]
    for i in failed:
        print(f"failed  {i.artifact.name}\n        {i.why}\n        log:   {house.store.log(i.artifact.key)}", file=sys.stderr)
    if failed:
        print(f"To try them again: {command} --retry-failed", file=sys.stderr)
    return 1 if failed else 0


def dry_run(house: House, cluster: Cluster) -> int:
    """The arrays, what each waits for, and the GPU-hours asked for."""
    seen = look(house)
    todo = planned(house, seen.items, cluster)
    names = [f"#{n}" for n in range(len(todo))]
    hours = 0.0
    for n, array in enumerate(todo):
        placed = array.placement
        asked = len(array.tasks) * placed.gpus * placed.time_min / 60
        hours += asked
        print(f"{names[n]:4s} {array.stage:10s} {len(array.tasks):5d} tasks × {placed.nodes} nodes × {placed.ranks} ranks, {placed.gpus} GPUs, "
              f"{placed.time_min} min  {dependency_of(array, names):40s} at most {asked:.1f} GPU-hours")
    done = sum(i.state == "done" for i in seen.items)
    print(f"{sum(len(x.tasks) for x in todo)} tasks in {len(todo)} arrays, then the table; at most {hours:.1f} GPU-hours; {done} results reused")
    return 0


def cancel(house: House, label: str) -> int:
    """Take tasks out of the queue: of one cell what no other cell needs, or all."""
    if label and label not in house.judged:
        raise BadStudy(f"--cancel {label}: no such cell; {strict.near(label, house.judged)}")
    seen = look(house)
    keys = own(house, label) if label else set(seen.queued)
    tasks = sorted(t.id for key, t in seen.queued.items() if t and key in keys)
    if tasks:
        queue.run(["scancel", *tasks])
    print(f"{len(tasks)} tasks cancelled; what is finished stays")
    return 0


def own(house: House, label: str) -> set[str]:
    """Keys that only this cell needs."""
    def keys(name: str) -> set[str]:
        return {a.key for of_stage in chain(house.judged[name]).values() for a in of_stage}

    others: Sequence[set[str]] = [keys(name) for name in house.judged if name != label]
    return keys(label).difference(*others)
