"""Looks at a study again and again without weighing on its disk or on SLURM: what cannot have changed is read once, and
the queue is asked once a minute.
"""

import contextlib
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from winsweep import arm_grid, command_names, logs, results, screen, training_log
from winsweep.attempt import arrays
from winsweep.costs import durations, eta
from winsweep.errors import ClusterDown, NotFound, WinsweepError
from winsweep.paths import unlinked_opener
from winsweep.plan import Item
from winsweep.training_log import Steps
from winsweep.watch.hours import Hours
from winsweep.watch.seen import Cell, Queue, Result, Seen, Training
from winsweep.workspace import Workspace, chain

if TYPE_CHECKING:
    from winsweep.slurm.queue import Task

QUEUE_S = 60.0  # between two questions to SLURM, and between two listings of what was submitted
ESTIMATE_S = {"here": 10.0, "slurm": 120.0}  # between two estimates of the end, which read records
LOOK_S = {"here": 2.0, "slurm": 20.0}  # between two looks at the store
SHARE, MOST_S = 50, 300.0  # a look that took a second is followed by so many without one, but never by more than these
POINTS = 60  # of a curve of losses


class Watcher:
    """A study and what of it is known from earlier looks."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.queued: Mapping[str, Task | None] = {}
        self.queue: Queue | None = None
        self.alive: set[str] = set()  # what the store shows to run, where that is newer than the queue
        self.next_queue = self.next_estimate = 0.0
        self.logs: dict[str, str] = {}  # of what runs
        self.records = eta.Records(workspace)  # each read once
        self.hours = Hours(workspace, self.records)
        self.steps: dict[str, Steps] = {}
        self.until: tuple[float | None, str] = None, ""
        self.num_done = -1
        self.retry = ""
        self.cells_of = arm_grid.owners(workspace, {label: label for label in workspace.judged})
        self.chains = {label: chain(workspace.ends(label)) for label in workspace.judged}

    def look(self, asks: bool = True) -> Seen:
        """The study as it stands; if it does not ask, without SLURM, which may take long to answer. OSError,
        WinsweepError or ValueError where the store cannot be read.
        """
        root = self.workspace.store.root
        if not (root / "store.json").is_file():  # where nothing can be listed, all would seem to be missing
            raise NotFound(f"{root}: the store is not there")
        items = self._items() if asks else self._unasked()
        shown: dict[str, str] = {}
        for i in items:  # inputs come first
            shown[i.artifact.key] = self._state(i, shown)
        running = {key for key, state in shown.items() if state == "running"}
        shares = {key: eta.share_done(self.workspace, key) for key in sorted(running)}
        found = tuple(self._result(i, shown[i.artifact.key], shares) for i in items)
        self._estimate(items, {key: share for key, (share, _) in shares.items()})
        until, why = self.until
        return Seen(
            self.workspace.study.name,
            str(root),
            time.time(),
            found + self._done(shown),
            tuple(self._cells(shown)),
            self.hours.so_far(items, shares),
            None if until is None else max(0.0, until - time.time()),
            why,
            self.queue,
            self.retry,
            results.where_text(self.workspace, self._judged(shown)) if self.workspace.has_table else "",
        )

    def is_on_slurm(self) -> bool:
        """Whether something of the store was submitted and may still be in the queue."""
        return self.queue is not None

    def pause_s(self, took_s: float) -> float:
        """How long to wait after a look that took so long."""
        return max(LOOK_S["slurm" if self.is_on_slurm() else "here"], min(SHARE * took_s, MOST_S))

    def _items(self) -> list[Item]:
        """The plan by the store as it is now, and by SLURM's queue as it was when it was asked last."""
        if time.monotonic() >= self.next_queue:
            self.next_queue = time.monotonic() + QUEUE_S
            if (items := self._ask()) is not None:
                self.alive = set()
                return items
        facts = self.workspace.facts()
        self.alive = set(facts.running)
        over = facts.running.keys() | facts.failed.keys()  # since SLURM was asked they have begun, or ended
        said = {key: self._words(key) for key in self.queued.keys() - over}
        return self.workspace.plan(replace(facts, running={**facts.running, **said}))

    def _unasked(self) -> list[Item]:
        """The plan by the store alone; that the queue is not known yet is said where something may be in it."""
        if arrays.open_arrays(self.workspace.store.root):
            self.queue = Queue(None, "it is being asked")
        return self.workspace.plan(self.workspace.facts())

    def _ask(self) -> list[Item] | None:
        """Ask SLURM if anything may be in its queue; the plan that follows, or None where it was not asked or is
        away.
        """
        self.retry = retry_command(self.workspace)
        if not arrays.open_arrays(self.workspace.store.root):
            self.queued, self.queue = {}, None
            return None
        from winsweep.slurm.reconcile import look

        try:
            found = look(self.workspace)
        except ClusterDown as e:
            before = self.queue.asked_at if self.queue else None
            self.queue = Queue(before, screen.printable(str(e)))
            return None
        self.queued, self.queue = found.queued, Queue(time.time(), "")
        return found.items

    def _words(self, key: str) -> str:
        from winsweep.slurm import queue

        task = self.queued[key]
        return f"job {task.id}: {queue.words(task)}" if task else "was submitted a moment ago"

    def _state(self, item: Item, before: Mapping[str, str]) -> str:
        """A plan's state, or that SLURM has it in its queue; what comes later in a task that runs waits."""
        if item.state != "running" or item.artifact.key not in self.queued or item.artifact.key in self.alive:
            return item.state
        from winsweep.slurm.queue_view import is_waiting

        if is_waiting(item, self.queued):
            return "queued"
        return "waiting" if any(before.get(i.key, "done") != "done" for i in item.artifact.needs) else "running"

    def _result(self, item: Item, state: str, shares: Mapping[str, tuple[float, float]]) -> Result:
        a = item.artifact
        cells = tuple(sorted(self.cells_of.get(a.key, ())))
        why = screen.printable(item.why)
        if state == "running":
            share, running_s = shares[a.key]
            left_s = durations.left_s(None, share if share >= eta.OWN_PACE else 0.0, running_s)
            training = self._training(item) if a.stage == "finetune" else None
            log = self.logs[a.key] = self.logs.get(a.key) or str(self.workspace.store.log(a.key))
            return Result(a.stage, a.label, a.key, state, why, cells, share, left_s, training, log)
        self.logs.pop(a.key, None)  # another attempt has another
        path = str(self.workspace.store.log(a.key)) if state == "failed" else None
        return Result(a.stage, a.label, a.key, state, why, cells, log=path)

    def _done(self, shown: Mapping[str, str]) -> tuple[Result, ...]:
        """What the plan does not name, as it is done and what is made from it is."""
        rest = [a for a in self.workspace.order if a.key not in shown]
        return tuple(
            Result(a.stage, a.label, a.key, "done", "", tuple(sorted(self.cells_of.get(a.key, ())))) for a in rest
        )

    def _training(self, item: Item) -> Training | None:
        a, store = item.artifact, self.workspace.store
        path = training_log.path_of(store, a.key)
        if path is None:
            return None
        self.steps[a.key] = read = training_log.read_on(path, self.steps.get(a.key, Steps()))
        now = training_log.last(read.steps)
        if now is None:
            return None
        losses = training_log.thinned([s.loss for s in read.steps if s.loss is not None], POINTS)
        return Training(
            now.step,
            training_log.num_steps(store, a.key),
            now.loss,
            now.lr,
            now.tokens_per_s,
            now.eval_loss,
            (*losses,),
        )

    def _cells(self, shown: Mapping[str, str]) -> list[Cell]:
        rows = {c.label: c for c in self.workspace.study.table.cells}
        arms = arm_grid.arms_of_cells(self.workspace)
        return [
            Cell(
                label,
                *arms[label],
                rows[label].seed,
                arm_grid.worst(shown, [a for of in found.values() for a in of]),
                {stage: tuple(a.key for a in of) for stage, of in found.items()},
            )
            for label, found in self.chains.items()
        ]

    def _judged(self, shown: Mapping[str, str]) -> set[str]:
        return {label for label, a in self.workspace.judged.items() if shown.get(a.key, "done") == "done"}

    def _estimate(self, items: Sequence[Item], shares: Mapping[str, float]) -> None:
        """Work out anew until when it takes, if that is due."""
        if time.monotonic() < self.next_estimate:
            return
        begun = time.monotonic()
        seconds, unknown = eta.end(self.workspace, items, shares, records=self.records)
        took = time.monotonic() - begun
        wait = ESTIMATE_S["slurm" if self.is_on_slurm() else "here"]
        self.next_estimate = time.monotonic() + max(wait, 50 * took)
        if seconds is not None:
            self.until = time.time() + seconds, ""
        else:
            self.until = None, eta.why_unknown(items, unknown)


def retry_command(workspace: Workspace) -> str:
    """What tries again what has failed: with the cluster file that the study was submitted with last, if it was."""
    words = [str(workspace.study.path), "--store", str(workspace.store.root)]
    folders = (workspace.store.root / ".work" / "arrays").glob("*/finalizer.json")
    told = []
    for path in folders:
        with contextlib.suppress(FileNotFoundError, WinsweepError):  # taken back, or none of ours
            told.append((path.stat().st_mtime, arrays.heard(path)))
    study = workspace.study.name
    clusters = [
        (at, t["cluster"]) for at, t in told if isinstance(t, dict) and t.get("name") == study and "cluster" in t
    ]
    words += ["--cluster", str(max(clusters)[1])] if clusters else []
    return f"{command_names.command('run')} {shlex.join(words)} --retry-failed"


def tail(workspace: Workspace, key: str, num: int, is_over: bool = False) -> tuple[str, list[str]]:
    """The path and the last lines of the log of the latest attempt at a result, with nothing that a terminal acts on;
    "" and none where there is no log. The last steps of a finetune stand below, or above where it `is_over`.
    """
    path = workspace.store.log(key)
    try:
        with open(path, "rb", opener=unlinked_opener) as file:
            file.seek(max(0, file.seek(0, 2) - 200 * num - 1000))
            data = file.read()
    except OSError:  # not there, or no file
        return "", []
    lines = logs.clean(data.decode(errors="replace")).expandtabs(4).splitlines()[-num:]
    steps = logs.steps_text(workspace, path).splitlines() if key.startswith("finetune/") else []
    return str(path), steps + lines if is_over else lines + steps
