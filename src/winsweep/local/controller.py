"""Runs a study to its end on one machine: a loop that looks, plans and starts what is ready. It remembers nothing that
the store does not say.
"""

import os
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from winsweep import earlier_tables
from winsweep.artifact import Artifact
from winsweep.attempt import history
from winsweep.attempt import spec as specs
from winsweep.attempt.endings import BUSY, STOPPED, progress_of
from winsweep.local.local import Ended, Local, own_log
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, Item, done_of
from winsweep.results import publish_analyses, publish_table
from winsweep.workspace import Workspace, make_room

POLL_S, IDLE_S = 0.05, 0.5  # between looks at what ended, and where nothing runs as all that is left waits
EARLY = ("prepare", "pretrain")
RESCAN_S = 5.0  # others may publish too
SELDOM = 10  # times as long as a look takes are between two, where something can be started without one
Planner = Callable[[Facts], list[Item]]


@dataclass
class Run:
    """One call of the controller: what it started, and which failures it knows of."""

    workspace: Workspace
    cluster: Local
    jobs: int
    placements: Placements
    started: dict[str, tuple[Artifact, float]] = field(default_factory=dict)  # what runs now, by key
    num_started: int = 0
    claims: dict[str, int] = field(default_factory=dict)  # of what runs now: the latest claim before it was started
    # what failed although the store was not told (a full disk, or no such machine): key to why
    unsaid: dict[str, str] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)  # what ended since the last look
    note: str = ""  # of what could not be done beside the results


def drive(
    workspace: Workspace, placements: Placements, jobs: int, retry_failed: bool, show: Callable[[Run, list[Item]], None]
) -> tuple[Run, list[Item]]:
    """Make everything of the study that can be made; what failed is in the items. Stops its attempts when it is
    interrupted.
    """
    if retry_failed:
        history.forgive(workspace.store, history.failures(workspace.store, [a.key for a in workspace.order]))
    cluster = Local(workspace.store.root / ".work" / "fork_server.log")
    run = Run(workspace, cluster, jobs, placements)
    try:
        items = loop(run, workspace.plan, show)
        if workspace.has_table:
            items = make_table(run, items, show)
        publish_analyses(workspace)
        earlier_tables.record(workspace)
        run.note = report_note(run.workspace)
        return run, items
    except KeyboardInterrupt:
        call_off(run)
        raise
    finally:
        cluster.close()


def report_note(workspace: Workspace) -> str:
    """Leave a report of what is there; a note if it could not be written."""
    from winsweep.report.files import write_after_run  # numpy and its kin, once all is done

    return write_after_run(workspace)


def call_off(run: Run) -> None:
    """A person ends this call: what it started does not count as tried, also where it must be killed as it does not end
    by itself.
    """
    for key, before in run.claims.items():
        if run.workspace.store.latest(key) > before:
            history.call_off(run.workspace.store, key)


def make_table(run: Run, items: list[Item], show: Callable[[Run, list[Item]], None]) -> list[Item]:
    """Publish the table of the cells that are judged; where some failed it is not made yet, and stands in the items if
    its making fails.
    """
    workspace = run.workspace
    done = set(done_of(items, workspace.judged))
    if done and len(done) < len(workspace.judged):  # some cells failed: the table of the others
        run.workspace = replace(workspace, judged={label: workspace.judged[label] for label in sorted(done)})
        items = items + [i for i in loop(run, run.workspace.plan, show) if i.artifact == run.workspace.wanted[0]]
    if done:
        publish_table(workspace.store, workspace.study.name, run.workspace.wanted[0].key)
    return items


def run_here(workspace: Workspace, placements: Placements, jobs: int, among: Collection[str] | None = None) -> None:
    """Run what is ready of the stages (`among` some) that belong on this machine (a stage that needs the internet,
    say), and nothing else.
    """
    here = placements.stages("login") & set(placements.by_stage if among is None else among)
    if not here:
        return

    def planner(facts: Facts) -> list[Item]:
        return [
            i if i.artifact.stage in here else replace(i, state="waiting")
            for i in workspace.plan(facts)
            if i.state in ("ready", "running")
        ]

    run = Run(workspace, Local(workspace.store.root / ".work" / "fork_server.log"), jobs, placements)
    try:
        loop(run, planner, lambda *_: None)
    except KeyboardInterrupt:
        call_off(run)
        raise
    finally:
        run.cluster.close()


def loop(run: Run, planner: Planner, show: Callable[[Run, list[Item]], None]) -> list[Item]:
    """Start what is ready until nothing runs and nothing is ready."""
    items, looked, took_s, is_new = look(run, planner), time.monotonic(), 0.0, True
    while True:
        if is_new:
            start_ready(run, items)
        show(run, items)
        if not run.started and not any(i.state in ("ready", "running") for i in items):
            return items
        run.cluster.wait(POLL_S if run.started else IDLE_S)
        ended = run.cluster.ended()
        for e in ended:
            handle_end(run, e)
        since_s, is_new = time.monotonic() - looked, bool(ended)
        # of thousands of cells a look takes seconds, and there may be enough to start without one
        if (ended and (since_s > SELDOM * took_s or not startable(run, items))) or since_s > RESCAN_S + SELDOM * took_s:
            begun = time.monotonic()
            items, looked, is_new = look(run, planner), time.monotonic(), True
            took_s = looked - begun


def look(run: Run, planner: Planner) -> list[Item]:
    """The plan as things stand, after what is stale has made room, so that it counts as missing from now on."""
    run.over.clear()
    items = survey(run, planner)
    if not any(i.stale for i in items):
        return items
    make_room(run.workspace, items, lambda: survey(run, planner))
    return survey(run, planner)


def survey(run: Run, planner: Planner) -> list[Item]:
    facts = run.workspace.facts(dict.fromkeys(run.started, "here"))
    return planner(replace(facts, failed={**facts.failed, **run.unsaid}))


def start_ready(run: Run, items: list[Item]) -> None:
    """Start what is ready and has room. Only what reads rows, and pretraining, runs before all rows are read: a wrong
    row is found first.
    """
    for item in startable(run, items):
        placed = run.placements.of(item.artifact.stage, item.artifact.label)
        if never := run.cluster.why_never(placed.gpus):
            run.unsaid[item.artifact.key] = f"placement: {never}"
        elif len(run.started) < run.jobs and run.cluster.room(placed.gpus):
            start(run, item, placed)


def startable(run: Run, items: list[Item]) -> list[Item]:
    """What is ready by `items` and was not started since they were looked at."""
    reading = any(i.artifact.stage == "prepare" and i.state in ("ready", "running") for i in items)
    tried = run.started.keys() | run.unsaid.keys() | run.over | {i.artifact.key for i in items if i.begin > time.time()}
    return [
        i
        for i in items
        if i.state == "ready" and i.artifact.key not in tried and (not reading or i.artifact.stage in EARLY)
    ]


def start(run: Run, item: Item, placed: Placement) -> None:
    a, store, study = item.artifact, run.workspace.store, run.workspace.study
    path = store.work(a.key) / "spec.json"
    try:
        specs.write(specs.make(a, store.root, study.path, study.files, placed), path)
    except OSError as e:
        run.unsaid[a.key] = f"disk: cannot be started: {e}"
        return
    run.claims[a.key] = store.latest(a.key)
    run.started[a.key] = (a, time.time())
    run.num_started += 1
    run.cluster.start(a.key, path, placed.ranks, placed.gpus, log_of(run, a))


def log_of(run: Run, a: Artifact) -> Path:
    return own_log(run.workspace.store.work(a.key) / "logs")


def handle_end(run: Run, ended: Ended) -> None:
    """Note that an attempt ended. What it did not say of its end itself is said here, so that nothing is tried for
    ever.
    """
    a, _ = run.started.pop(ended.id)
    run.over.add(ended.id)
    try:
        say_rest(run.workspace, a.key, ended.code, run.claims.pop(ended.id))
    except OSError as e:
        run.unsaid[a.key] = f"disk: exit code {ended.code}, and its end cannot be written down: {e}"


def say_rest(workspace: Workspace, key: str, code: int, before: int) -> None:
    """See that the attempt which was started after claim `before` and ended with `code` has left an end that counts, if
    it made nothing.

    None is needed where somebody else builds the artifact or has published it. A stop that this launcher did not ask
    for is a kill.
    """
    store, latest = workspace.store, workspace.store.latest(key)
    told = store.end_of(key, latest) if latest > before else None
    if told and (told["kind"], code) == ("stopped", STOPPED):
        store.end(key, latest, told | {"kind": "killed", "reason": "ended by a signal that its launcher did not send"})
    if told or store.holder(key, workspace.alive(key)) or store.has(key):
        return
    log = own_log(store.work(key) / "logs")
    kind, reason = unexplained(code, history.last_words(log.parent, log.name))
    if latest > before:
        store.end(
            key,
            latest,
            {"kind": kind, "reason": reason, "progress": progress_of(store.work(key)), "begun": time.time()},
        )
    else:
        history.count(store, key, f"launcher-{uuid.uuid4().hex[:12]}", kind, reason)


def unexplained(code: int, said: str) -> tuple[str, str]:
    """Kind and reason of the end of an attempt that left none."""
    if code < 0:
        return "killed", f"signal {-code}"
    kind = {BUSY: "busy", STOPPED: "killed"}.get(code, "application")
    return kind, f"exit code {code} without a word; {f'its log ends with: {said}' if said else 'its log is empty'}"


def default_jobs() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
