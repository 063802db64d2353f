"""Runs a study to its end on one machine: a loop that looks, plans and starts what is ready. It remembers nothing that the store does not say."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.attempt import spec as specs
from winsweep.attempt.endings import BUSY, OK, progress_of
from winsweep.attempt.history import failures, forgive
from winsweep.house import House, make_room
from winsweep.local.local import Ended, Local
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, Item, State
from winsweep.results import publish_analyses, publish_table

POLL_S = 0.05
LOG = "attempt.log"
EARLY = ("prepare", "pretrain")
RESCAN_S = 5.0  # others may publish too
Planner = Callable[[Facts], list[Item]]


@dataclass
class Run:
    """One call of the controller: what it started, and which failures it knows of."""

    house: House
    cluster: Local
    jobs: int
    placements: Placements
    started: dict[str, tuple[Artifact, float]] = field(default_factory=dict)  # what runs now, by key
    num_started: int = 0


def drive(house: House, placements: Placements, jobs: int, retry_failed: bool, show: Callable[[Run, list[Item]], None]) -> tuple[Run, list[Item]]:
    """Make everything of the study that can be made; what failed is in the items. Stops its attempts when it is interrupted."""
    if retry_failed:
        forgive(house.store, failures(house.store, [a.key for a in house.order]))
    cluster = Local(house.store.root / ".work" / "nursery.log")
    run = Run(house, cluster, jobs, placements)
    try:
        items = loop(run, house.plan, show)
        if house.has_table:
            make_table(run, items, show)
        publish_analyses(house)
        return run, items
    finally:
        cluster.close()


def make_table(run: Run, items: list[Item], show: Callable[[Run, list[Item]], None]) -> None:
    """Publish the table of the cells that are judged; where some failed it is not made yet."""
    house = run.house
    done = {label for label, a in house.judged.items() if state_of(items, a) == "done"}
    if done and len(done) < len(house.judged):  # some cells failed: the table of the others
        run.house = replace(house, judged={label: house.judged[label] for label in sorted(done)})
        loop(run, run.house.plan, show)
    if done:
        publish_table(house.store, house.study.name, run.house.wanted[0].key)


def run_here(house: House, placements: Placements, jobs: int) -> None:
    """Run what is ready of the stages that belong on this machine (a stage that needs the internet, say), and nothing else."""
    here = placements.stages("login")
    if not here:
        return

    def planner(facts: Facts) -> list[Item]:
        return [i if i.artifact.stage in here else replace(i, state="waiting") for i in house.plan(facts) if i.state in ("ready", "running")]

    run = Run(house, Local(house.store.root / ".work" / "nursery.log"), jobs, placements)
    try:
        loop(run, planner, lambda *_: None)
    finally:
        run.cluster.close()


def loop(run: Run, planner: Planner, show: Callable[[Run, list[Item]], None]) -> list[Item]:
    """Start what is ready until nothing runs and nothing is ready."""
    items, looked = look(run, planner), time.monotonic()
    while True:
        start_ready(run, items)
        show(run, items)
        if not run.started and not any(i.state in ("ready", "running") for i in items):
            return items
        time.sleep(POLL_S)
        ended = run.cluster.ended()
        for e in ended:
            settle(run, e)
        if ended or time.monotonic() - looked > RESCAN_S:
            items, looked = look(run, planner), time.monotonic()


def look(run: Run, planner: Planner) -> list[Item]:
    """The plan as things stand, after what is stale has made room, so that it counts as missing from now on."""
    items = survey(run, planner)
    if not any(i.stale for i in items):
        return items
    make_room(run.house, items, lambda: survey(run, planner))
    return survey(run, planner)


def survey(run: Run, planner: Planner) -> list[Item]:
    return planner(run.house.facts(dict.fromkeys(run.started, "here")))


def start_ready(run: Run, items: list[Item]) -> None:
    """Start what is ready and has room. Only what reads rows, and pretraining, runs before all rows are read: a wrong row is found first."""
    reading = any(i.artifact.stage == "prepare" and i.state in ("ready", "running") for i in items)
    for item in (i for i in items if not reading or i.artifact.stage in EARLY):
        placed = run.placements.of(item.artifact.stage, item.artifact.label)
        ready = item.state == "ready" and item.artifact.key not in run.started
        if ready and len(run.started) < run.jobs and run.cluster.room(placed.gpus):
            start(run, item, placed)


def start(run: Run, item: Item, placed: Placement) -> None:
    a, store, study = item.artifact, run.house.store, run.house.study
    path = store.work(a.key) / "spec.json"
    specs.write(specs.make(a, store.root, study.path, study.files, placed), path)
    run.started[a.key] = (a, time.time())
    run.num_started += 1
    run.cluster.start(a.key, path, placed.ranks, placed.gpus, log_of(run, a))


def log_of(run: Run, a: Artifact) -> Path:
    return run.house.store.work(a.key) / "logs" / LOG


def settle(run: Run, ended: Ended) -> None:
    """Note that an attempt ended; one that died without an end record gets one, so that it is not tried for ever."""
    a, _ = run.started.pop(ended.id)
    store = run.house.store
    if ended.code not in (OK, BUSY) and not store.ended(a.key) and store.holder(a.key, run.house.alive(a.key)) is None:
        reason = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}; its log says why"
        kind = "killed" if ended.code < 0 else "application"
        store.explain(a.key, {"kind": kind, "reason": reason, "progress": progress_of(store.work(a.key)), "begun": time.time()})


def state_of(items: list[Item], a: Artifact) -> State:
    """An artifact that is not in the plan is below a done one, so it is not needed any more."""
    return next((i.state for i in items if i.artifact == a), "done")


def default_jobs() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
