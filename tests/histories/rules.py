"""What must hold in every history: looked at where results are published or taken away, where stages work, and at the
end.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.histories.actors import Actor, Machine
from tests.histories.cluster import Queue, Task
from winsweep.artifact import Artifact
from winsweep.attempt import history, retry
from winsweep.errors import ClusterDown, WinsweepError
from winsweep.results import is_current
from winsweep.slurm.reconcile import judged_cells, table_failure
from winsweep.store import damage, liveness
from winsweep.store.store import Store
from winsweep.workspace import Workspace

HIDDEN = (".work/", ".cache/", ".judged/", "results/", "studies/")
EXPECTED = (ClusterDown,)


class Rules:
    """What was broken, in words."""

    def __init__(self, machine: Machine, store: Store, artifacts: dict[str, Artifact]) -> None:
        self.machine, self.store, self.artifacts = machine, store, artifacts
        self.broken: list[str] = []
        self.times_hurt: Counter[str] = Counter()
        self.made: dict[str, str] = {}  # key to what was published
        self.hurt: set[str] = set()  # published, and damaged by the history
        self.at_work: dict[str, list[Actor]] = {}
        self.strays: set[Actor | None] = set()  # whose end nobody is told of: they may live beside their successors
        self.to_raise: list[BaseException] = []
        self.raised: list[BaseException] = []
        self.num_hits = 0  # what has befallen finalizers, or has changed what they are for
        self.is_finalizer_hit = False
        self.hits_before: dict[Actor, int] = {}
        self.num_published = 0

    # -- what happens

    def asked(self, actor: Actor) -> None:
        """A person has typed sweep.py."""
        self.hits_before[actor] = self.num_hits

    def hit(self, task: Task | None = None) -> None:
        if task is None or task.job.kind == "finalizer":
            self.num_hits, self.is_finalizer_hit = self.num_hits + 1, True

    def ended(self, actor: Actor, task: Task | None) -> None:
        if self.hits_before.get(actor) == self.num_hits and actor.raised is None:
            self.is_finalizer_hit = False
        if actor.raised is not None and not isinstance(actor.raised, EXPECTED):
            self.broken.append(f"{actor.name} ended with {type(actor.raised).__name__}: {actor.raised}")
        if actor.raised is not None and task is not None:
            self.hit(task)

    def raise_next(self) -> None:
        if self.to_raise:
            self.raised.append(e := self.to_raise.pop(0))
            raise e

    @contextmanager
    def working(self, key: str, actor: Actor | None) -> Iterator[None]:
        """While `actor` does a stage's work."""
        assert actor
        if others := [
            a.name for a in self.at_work.get(key, ()) if a.lives and a not in self.strays and not a.is_suspended
        ]:
            self.broken.append(f"doubled: {actor.name} and {', '.join(others)} make {key}")
        is_put_back = not actor.name.endswith(".0")  # by SLURM itself, whose turn it then is
        if (why := retry.failed(history.ends(self.store, key))) and not is_put_back:
            latest = self.store.latest(key)
            self.broken.append(f"beyond its budget: attempt {latest} at {key} by {actor.name}: {why}")
        self.at_work.setdefault(key, []).append(actor)
        try:
            yield
        finally:
            self.at_work[key].remove(actor)

    def renamed(self, old: str, new: str) -> None:
        """A directory went from one place to another."""
        if self._is_result(new) and "/out-" in old:
            self._published(Path(new))
        elif self._is_result(old) and "/.work/retired-" in new:
            self._retired(self._key(old), Path(new))
        elif self._is_result(old) and "/.work/damaged-" in new and self._key(old) not in self.hurt:
            self.broken.append(f"lost: {self._key(old)} was set aside and is whole")

    def now(self, workspace: Workspace, queue: Queue) -> None:
        """After each step: whoever waits in the queue for a study has a finalizer behind it."""
        wanted = {a.key for a in workspace.order} - self.store.published().keys()
        live = queue.live()
        work = [t.id for t in live if t.job.kind not in ("finalizer", "watchdog")]
        has_finalizer = any(t.job.kind == "finalizer" for t in live)
        is_typed = any(a.lives and a.name == "sweep" for a in self.machine.actors)
        if work and wanted and not has_finalizer and not self.is_finalizer_hit and not is_typed:
            self.broken.append(f"no finalizer behind {', '.join(work)}")

    def let_be_known(self, workspace: Workspace) -> bool:
        """Whether all that is left is an attempt that was killed a moment ago, and nothing waits for it, so that nobody
        was sent to look after it: then it is a minute later, and the person who was told so types the command again.
        """
        states = {i.state for i in workspace.plan(workspace.facts()) if i.artifact.stage != "aggregate"}
        if "running" not in states or states & {"ready", "waiting"}:
            return False
        self.machine.advance(liveness.STALE_S)
        return True

    def at_rest(self, workspace: Workspace, queue: Queue) -> None:
        """Nobody works, nothing is queued, and what is wanted is there, or is told to have failed."""
        if left := [f"{t.id} {t.job.kind} {t.state}" for t in queue.live()]:
            self.broken.append(f"left in the queue: {', '.join(left)}")
        if left := [a.name for a in self.machine.actors if a.lives]:
            self.broken.append(f"still there: {', '.join(left)}")
        items = workspace.plan(workspace.facts())
        told = {type(e).kind for e in self.raised if isinstance(e, WinsweepError)}
        told |= {"data"} if max(self.times_hurt.values(), default=0) > 1 else set()  # a person must look at the disk
        for i in items:
            kind = i.why.partition(":")[0]
            if i.state == "failed" and kind not in (*retry.PASSING, *told) and not self.raised:
                self.broken.append(f"{i.artifact.name} failed of itself: {i.why}")
            if i.state in ("ready", "waiting", "running") and i.artifact.stage != "aggregate":
                self.broken.append(f"orphan: {i.artifact.name} is {i.state}: {i.why}")
        done = judged_cells(workspace, items)
        if done and not is_current(workspace, done) and not table_failure(workspace, items):
            self.broken.append("orphan: the table of what is judged is not there")

    def _published(self, path: Path) -> None:
        key, content = self._key(str(path)), "".join(p.read_text() for p in sorted(path.glob("[mr]*[tv]")))
        self.num_published += 1
        if self.made.setdefault(key, content) != content:
            self.broken.append(f"published twice differently: {key}")
        self.hurt.discard(key)

    def _retired(self, key: str, path: Path) -> None:
        present, aside = self.store.published().keys(), damage.known(self.store).keys()
        a, left = self.artifacts[key], [*self.artifacts[key].inputs.values()]
        while left:
            i = left.pop()
            if i.key not in present and i.key not in aside and i.stage != "finetune":
                return
            left += i.inputs.values()
        self.broken.append(f"lost: {a.name} was taken away, and all that it was made from is there")

    def _is_result(self, path: str) -> bool:
        inside = path.removeprefix(f"{self.machine.root}/")
        return inside.count("/") == 1 and not inside.startswith(HIDDEN)

    @staticmethod
    def _key(path: str) -> str:
        return f"{Path(path).parent.name}/{Path(path).name.rpartition('-')[2]}"
