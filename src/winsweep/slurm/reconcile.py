"""One look at a study on a SLURM cluster: what is done, queued, failed; what is missing is submitted as a chain of arrays."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from winsweep.attempt import arrays, history
from winsweep.attempt.arrays import Submitted
from winsweep.attempt.retry import ChainProgress
from winsweep.errors import Busy, ClusterDown, TooManyTasks
from winsweep.house import House, make_room
from winsweep.placement import Cluster
from winsweep.plan import Item
from winsweep.results import publish_analyses, publish_table
from winsweep.slurm import chain, finalizer, halt, held, queue, watchdog
from winsweep.slurm.chain import Array
from winsweep.slurm.finalizer import CLOSING
from winsweep.slurm.submission import Submission
from winsweep.store import liveness
from winsweep.store.manifest import write_atomic

LOCK_S = 120.0
LIMIT = ".cache/max_array_tasks"  # the cluster's limit, known since it refused an array
DEFAULT_TASKS = 1000  # of an array, where the administrator did not set MaxArraySize


@dataclass(frozen=True)
class Look:
    """What a tick saw and did."""

    items: list[Item]
    queued: dict[str, queue.Task | None]
    submitted: list[tuple[Array, str]]  # each with its job id
    closing: bool  # whether a closing job other than the caller, of these cells at least, is in the queue
    tasks: list[tuple[Submitted, queue.Task]] = field(default_factory=list)  # of the store, in the queue
    full: str = ""  # why SLURM takes no more jobs now, though some are missing
    stays: bool = False  # whether the caller, a closing job, must look again itself, as there was no room for another
    chain_progress: ChainProgress | None = None  # of the chain, as it was when something was submitted last

    @property
    def unsettled(self) -> bool:
        """Whether some attempts may be there or not: submitted without an answer, or silent for less time than proves them dead."""
        return None in self.queued.values() or any(i.state == "running" and i.artifact.key not in self.queued for i in self.items)


def look(house: House, own_job: str = "") -> Look:
    """The study as it stands: the store, and one squeue if anything may be in the queue; nothing is submitted. `own_job` is a closing job's id."""
    opened = arrays.open_arrays(house.store.root)
    tasks = queue.snapshot() if opened else []
    queued, over = queue.match(opened, tasks, time.time())
    queued.pop(watchdog.KEYS[0][0], None)
    for array in over:
        if arrays.close(array.folder):
            history.note_lost(house.store, array)
    said = {key: f"job {t.id}: {queue.words(t)}" if t else "was submitted a moment ago" for key, t in queued.items()}
    facts = house.facts({key: why for key, why in said.items() if not key.startswith(CLOSING)})
    items = house.plan(facts)
    make_room(house, items, lambda: house.plan(house.facts()))
    found = queue.pairs(opened, tasks)
    return Look(items, queued, [], any(t.job != own_job and finalizer.covers(array, house) for array, t in found), found)


def tick(house: House, cluster: Cluster, retry_failed: bool = False, own_job: str = "", stays: bool = False, before: ChainProgress | None = None) -> Look:
    """Submit everything that is missing and that nothing speaks against, and a closing job; one sbatch per array, if all fits.

    Only one launcher submits at a time; Busy names the other. Judged cells are made into a table by the closing job, and whatever
    is in the queue has one behind it, also if the launcher that submitted it was killed before it came to that. `before` is the progress
    of the chain, or of the watching launcher, that goes on: it ends, with a word, where nothing came of its last submissions.
    """
    if before is None:  # a person asked
        halt.clear(house.store, house.study.name)
    if retry_failed:
        history.forgive(house.store, history.failures(house.store, [a.key for a in house.order]))
    items = house.plan(house.facts())
    if house.has_table:
        publish_table(house.store, house.study.name, house.table(judged_cells(house, items)).key)
    publish_analyses(house)
    if all(i.state == "done" for i in items):
        return Look(items, {}, [], closing=False)  # and SLURM was not asked anything
    with Lock(house):
        try:
            return submit_missing(house, cluster, own_job, stays, before)
        except TooManyTasks:
            path = house.store.root / LIMIT
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, str(queue.max_array_tasks()).encode())
            return submit_missing(house, cluster, own_job, stays, before)


def submit_missing(house: House, cluster: Cluster, own_job: str, stays: bool, before: ChainProgress | None) -> Look:
    seen = look(house, own_job)
    if said := held.mend(house.store, seen.tasks):
        print("\n".join(said), flush=True)
        seen = look(house, own_job)
    todo = planned(house, seen.items, cluster)
    now = halt.advanced(house, before) if todo or before is None else before
    if now.is_over:
        todo = [] if seen.closing else halt.halted(house, todo)
    if not todo and (seen.closing or not needs_closing(house, seen, own_job)):
        return replace(seen, chain_progress=now)
    sent = Submission(house, cluster, own_job, seen.tasks, now, stays).send(todo, seen.closing)
    watchdog.ensure(house.store.root, cluster.placements.of("aggregate", house.study.name), sent.code, seen.tasks)
    return replace(seen, submitted=sent.sent, closing=sent.has_closing, full=sent.full, stays=sent.stays, chain_progress=now)


def needs_closing(house: House, seen: Look, own_job: str) -> bool:
    """Whether somebody must look again: results are on their way, or (but a closing job has just tried that) the table is missing."""
    return not seen.queued.keys().isdisjoint(a.key for a in house.order) or (not own_job and table_is_missing(house, seen.items))


def planned(house: House, items: Sequence[Item], cluster: Cluster) -> list[Array]:
    """The arrays that a tick would submit; the table is the closing job's."""
    todo = [i for i in items if i.artifact.stage != "aggregate"]
    whole = chain.arrays(todo, cluster.placements, len(todo))
    largest = max((array.indices[-1] + 1 for array in whole), default=0)
    limit = max_tasks(house, largest)
    return chain.behind_rows(chain.arrays(todo, cluster.placements, limit) if largest > limit else whole, todo)


def max_tasks(house: House, num: int) -> int:
    """How many tasks an array may have where `num` are wanted: SLURM is asked if its own default may be too few, or a refusal showed it too many."""
    try:
        return int((house.store.root / LIMIT).read_text())
    except FileNotFoundError:
        return queue.max_array_tasks() if num > DEFAULT_TASKS else DEFAULT_TASKS


def judged_cells(house: House, items: Sequence[Item]) -> set[str]:
    """Labels of the cells that are judged, or in a house of models trained."""
    states = {i.artifact.key: i.state for i in items}
    return {label for label, a in house.judged.items() if states.get(a.key, "done") == "done"}


def table_is_missing(house: House, items: Sequence[Item]) -> bool:
    """Whether some cells are judged and the table of just these is not made, and may be tried."""
    done = judged_cells(house, items)
    return house.has_table and bool(done) and house.table(done).key not in house.store.published() and not table_failure(house, items)


def table_failure(house: House, items: Sequence[Item]) -> dict[str, str]:
    """The key of the table of the cells that are judged, with the reason, if its making failed."""
    done = judged_cells(house, items)
    return history.failures(house.store, [house.table(done).key]) if done and house.has_table else {}




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
