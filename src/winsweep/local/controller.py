"""Runs a study to its end on one machine: a loop that looks, plans and starts what is ready. It remembers nothing that
the store does not say.
"""

import os
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.attempt import history
from winsweep.attempt import spec as specs
from winsweep.attempt.endings import BUSY, STOPPED, progress_of
from winsweep.attempt.history import failures, forgive
from winsweep.local.local import Ended, Local
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, Item, State
from winsweep.results import publish_analyses, publish_table
from winsweep.workspace import Workspace, make_room

POLL_S = 0.05
LOG = "attempt.log"
EARLY = ("prepare", "pretrain")
RESCAN_S = 5.0  # others may publish too
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
    note: str = ""  # of what could not be done beside the results


def drive(
    workspace: Workspace, placements: Placements, jobs: int, retry_failed: bool, show: Callable[[Run, list[Item]], None]
) -> tuple[Run, list[Item]]:
    """Make everything of the study that can be made; what failed is in the items. Stops its attempts when it is
    interrupted.
    """
    if retry_failed:
        forgive(workspace.store, failures(workspace.store, [a.key for a in workspace.order]))
    cluster = Local(workspace.store.root / ".work" / "fork_server.log")
    run = Run(workspace, cluster, jobs, placements)
    try:
        items = loop(run, workspace.plan, show)
        if workspace.has_table:
            items = make_table(run, items, show)
        publish_analyses(workspace)
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
    done = {label for label, a in workspace.judged.items() if state_of(items, a) == "done"}
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
    items, looked = look(run, planner), time.monotonic()
    while True:
        start_ready(run, items)
        show(run, items)
        if not run.started and not any(i.state in ("ready", "running") for i in items):
            return items
        time.sleep(POLL_S)
        ended = run.cluster.ended()
        for e in ended:
            handle_end(run, e)
        if ended or time.monotonic() - looked > RESCAN_S:
            items, looked = look(run, planner), time.monotonic()


def look(run: Run, planner: Planner) -> list[Item]:
    """The plan as things stand, after what is stale has made room, so that it counts as missing from now on."""
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
    reading = any(i.artifact.stage == "prepare" and i.state in ("ready", "running") for i in items)
    for item in (i for i in items if not reading or i.artifact.stage in EARLY):
        placed = run.placements.of(item.artifact.stage, item.artifact.label)
        ready = item.state == "ready" and item.artifact.key not in run.started and item.artifact.key not in run.unsaid
        if ready and (never := run.cluster.why_never(placed.gpus)):
            run.unsaid[item.artifact.key] = f"placement: {never}"
        elif ready and len(run.started) < run.jobs and run.cluster.room(placed.gpus):
            start(run, item, placed)


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
    return run.workspace.store.work(a.key) / "logs" / LOG


def handle_end(run: Run, ended: Ended) -> None:
    """Note that an attempt ended. What it did not say of its end itself is said here, so that nothing is tried for
    ever.
    """
    a, _ = run.started.pop(ended.id)
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
    if told or store.holder(key, workspace.alive(key)) or key in store.published():
        return
    kind, reason = unexplained(code, history.last_words(store.work(key) / "logs", LOG))
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


def state_of(items: list[Item], a: Artifact) -> State:
    """An artifact that is not in the plan is below a done one, so it is not needed any more."""
    return next((i.state for i in items if i.artifact == a), "done")


def default_jobs() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
