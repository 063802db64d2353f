"""One look at a study on a SLURM cluster: what is done, queued, failed; what is missing is submitted as a chain of
arrays.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from winsweep import earlier_tables
from winsweep.attempt import arrays, history
from winsweep.attempt.arrays import Submitted
from winsweep.attempt.retry import ChainProgress
from winsweep.errors import Busy, ClusterDown, TooManyTasks
from winsweep.placement import Cluster
from winsweep.plan import Item
from winsweep.results import publish_analyses, publish_table
from winsweep.slurm import chain, halt, held, pending_finalizers, queue, watchdog
from winsweep.slurm.chain import Array
from winsweep.slurm.pending_finalizers import FINALIZER
from winsweep.slurm.submission import Submission
from winsweep.store import liveness, small_files
from winsweep.store.claim import Claim
from winsweep.store.manifest import write_atomic
from winsweep.workspace import Workspace, make_room

LOCK_S = 120.0
LIMIT = ".cache/max_array_tasks"  # the cluster's limit, known since it refused an array
DEFAULT_TASKS = 1000  # of an array, where the administrator did not set MaxArraySize


@dataclass(frozen=True)
class Look:
    """What a look saw and did."""

    items: list[Item]
    queued: dict[str, queue.Task | None]
    submitted: list[tuple[Array, str]]  # each with its job id
    finalizer: bool  # whether a finalizer other than the caller, of these cells at least, is in the queue
    tasks: list[tuple[Submitted, queue.Task]] = field(default_factory=list)  # of the store, in the queue
    full: str = ""  # why SLURM takes no more jobs now, though some are missing
    stays: bool = False  # whether the caller, a finalizer, must look again itself, as there was no room for another
    chain_progress: ChainProgress | None = None  # of the chain, as it was when something was submitted last

    @property
    def has_unknown(self) -> bool:
        """Whether some attempts may be there or not: submitted without an answer, or silent for less time than proves
        them dead.
        """
        return None in self.queued.values() or any(
            i.state == "running" and i.artifact.key not in self.queued for i in self.items
        )


def look(workspace: Workspace, own_job: str = "") -> Look:
    """The study as it stands: the store, and one squeue if anything may be in the queue; nothing is submitted.
    `own_job` is a finalizer's id.
    """
    opened = arrays.open_arrays(workspace.store.root)
    tasks = queue.snapshot() if opened else []
    queued, over = queue.match(opened, tasks, time.time())
    queued.pop(watchdog.KEYS[0][0], None)
    for array in over:
        if arrays.close(array.folder):
            history.note_lost(workspace.store, array)
    found = queue.pairs(opened, tasks)
    present = workspace.store.published().keys()
    open_keys = {a.key for a in workspace.order if a.key not in queued and a.key not in present}
    for array, indices in queue.gone(found, open_keys):  # or a task that is lost again and again would not be counted
        history.note_lost(workspace.store, array, indices)
    said = {key: f"job {t.id}: {queue.words(t)}" if t else "was submitted a moment ago" for key, t in queued.items()}
    facts = workspace.facts({key: why for key, why in said.items() if not key.startswith(FINALIZER)})
    items = workspace.plan(facts)
    make_room(workspace, items, lambda: workspace.plan(workspace.facts()))
    return Look(
        items,
        queued,
        [],
        any(t.job != own_job and pending_finalizers.covers(array, workspace) for array, t in found),
        found,
    )


def reconcile(
    workspace: Workspace,
    cluster: Cluster,
    retry_failed: bool = False,
    own_job: str = "",
    stays: bool = False,
    before: ChainProgress | None = None,
) -> Look:
    """Submit everything that is missing and that nothing speaks against, and a finalizer; one sbatch per array, if all
    fits.

    Only one launcher submits at a time; Busy names the other. Judged cells are made into a table by the finalizer, and
    whatever is in the queue has one behind it, also if the launcher that submitted it was killed before it came to
    that. `before` is the progress of the chain, or of the watching launcher, that goes on: it ends, with a word, where
    nothing came of its last submissions.
    """
    if before is None:  # a person asked
        halt.clear(workspace.store, workspace.study.name)
    if retry_failed:
        history.forgive(workspace.store, history.failures(workspace.store, [a.key for a in workspace.order]))
    items = workspace.plan(workspace.facts())
    if workspace.has_table:
        publish_table(workspace.store, workspace.study.name, workspace.table(judged_cells(workspace, items)).key)
    publish_analyses(workspace)
    earlier_tables.record(workspace)
    if all(i.state == "done" for i in items):
        return Look(items, {}, [], finalizer=False)  # and SLURM was not asked anything
    with Lock(workspace):
        try:
            return submit_missing(workspace, cluster, own_job, stays, before)
        except TooManyTasks:
            path = workspace.store.root / LIMIT
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, str(queue.max_array_tasks()).encode())
            return submit_missing(workspace, cluster, own_job, stays, before)


def submit_missing(
    workspace: Workspace, cluster: Cluster, own_job: str, stays: bool, before: ChainProgress | None
) -> Look:
    seen = look(workspace, own_job)
    if said := held.release_or_cancel(workspace.store, seen.tasks):
        print("\n".join(said), flush=True)
        seen = look(workspace, own_job)
    todo = planned(workspace, seen.items, cluster)
    is_enough = is_in_order(workspace, seen) if seen.finalizer else not needs_finalizer(workspace, seen, own_job)
    now = before if before and is_enough and not todo else halt.advanced(workspace, before)
    if before and any(i.begin for i in seen.items):  # for a batch: nothing is finished meanwhile, and nothing is wrong
        now = replace(now, idle=min(now.idle, before.idle))
    if now.is_over:  # nor is a finalizer sent alone, over and over
        todo = [] if seen.finalizer or not todo else halt.halted(workspace, todo)
        is_enough = is_enough or not is_on_its_way(workspace, seen)
    if not todo and is_enough:
        return replace(seen, chain_progress=now)
    sent = Submission(workspace, cluster, own_job, seen.tasks, now, stays).send(todo, seen.finalizer)
    watchdog.ensure(
        workspace.store.root, cluster.placements.of("aggregate", workspace.study.name), sent.code, seen.tasks
    )
    return replace(
        seen, submitted=sent.sent, finalizer=sent.has_finalizer, full=sent.full, stays=sent.stays, chain_progress=now
    )


def is_in_order(workspace: Workspace, seen: Look) -> bool:
    """Whether the launcher before lived to its end: of finalizers that wait there is one, for jobs and not for a time
    alone, and a watchdog.
    """
    waiting = [
        array for array, task in seen.tasks if task.state == "PENDING" and pending_finalizers.covers(array, workspace)
    ]
    return not waiting or (
        len(waiting) == 1 and pending_finalizers.has_dependency(waiting[0]) and bool(watchdog.watchdogs(seen.tasks))
    )


def needs_finalizer(workspace: Workspace, seen: Look, own_job: str) -> bool:
    """Whether somebody must look again: results are on their way, or (but a finalizer has just tried that) the table is
    missing.
    """
    return is_on_its_way(workspace, seen) or (not own_job and table_is_missing(workspace, seen.items))


def is_on_its_way(workspace: Workspace, seen: Look) -> bool:
    return not seen.queued.keys().isdisjoint(a.key for a in workspace.order)


def planned(workspace: Workspace, items: Sequence[Item], cluster: Cluster, asks: bool = False) -> list[Array]:
    """The arrays that a look would submit; the table is the finalizer's. Where it `asks`, SLURM says in any case how
    many tasks an array may have, as nothing is submitted that it could refuse.
    """
    todo = [i for i in items if i.artifact.stage != "aggregate"]
    whole = chain.arrays(todo, cluster.placements, len(todo))
    largest = max((array.indices[-1] + 1 for array in whole), default=0)
    limit = queue.max_array_tasks() if asks and largest > 1 else max_tasks(workspace, largest)
    found = chain.behind_rows(chain.arrays(todo, cluster.placements, limit) if largest > limit else whole, todo)
    return chain.not_before(found, {i.artifact.key: i.begin for i in todo if i.begin}, time.time())


def max_tasks(workspace: Workspace, num: int) -> int:
    """How many tasks an array may have where `num` are wanted: SLURM is asked if its own default may be too few, or a
    refusal showed it too many.
    """
    noted = small_files.text(workspace.store.root / LIMIT)
    if noted.isdecimal() and int(noted[:9]) > 0:
        return int(noted[:9])
    return queue.max_array_tasks() if num > DEFAULT_TASKS else DEFAULT_TASKS


def judged_cells(workspace: Workspace, items: Sequence[Item]) -> set[str]:
    """Labels of the cells that are judged, or in a workspace of models trained."""
    states = {i.artifact.key: i.state for i in items}
    return {label for label, a in workspace.judged.items() if states.get(a.key, "done") == "done"}


def table_is_missing(workspace: Workspace, items: Sequence[Item]) -> bool:
    """Whether some cells are judged and the table of just these is not made, and may be tried."""
    done = judged_cells(workspace, items)
    return (
        workspace.has_table
        and bool(done)
        and workspace.table(done).key not in workspace.store.published()
        and not table_failure(workspace, items)
    )


def table_failure(workspace: Workspace, items: Sequence[Item]) -> dict[str, str]:
    """The key of the table of the cells that are judged, with the reason, if its making failed."""
    done = judged_cells(workspace, items)
    return history.failures(workspace.store, [workspace.table(done).key]) if done and workspace.has_table else {}


class Lock:
    """Only one launcher of a study submits at a time; one that died is followed."""

    def __init__(self, workspace: Workspace) -> None:
        self.store, self.key = workspace.store, f"submit/{workspace.study.name}"
        self.claim: Claim | None = None
        self.stop: threading.Event | None = None  # of its heartbeat
        self.heartbeat = self.store.work(self.key) / "heartbeat"

    def __enter__(self) -> "Lock":
        limit = time.monotonic() + LOCK_S
        while self.claim is None:
            try:
                self.claim = self.store.claim(
                    self.key, liveness.owner("launcher"), lambda name: liveness.alive(name, self.heartbeat)
                )
            except Busy as e:
                if time.monotonic() > limit:
                    raise ClusterDown(
                        f"{e}; it is submitting this study and has not ended in {LOCK_S:.0f} s; stop it or wait"
                    ) from None
                time.sleep(0.2)
        self.stop = liveness.beat(self.heartbeat)
        return self

    def __exit__(self, *_: object) -> None:
        if self.claim and self.stop:
            self.stop.set()
            self.claim.end({"kind": "done"})
