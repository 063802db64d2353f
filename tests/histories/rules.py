"""What must hold in every history: looked at where results are published or taken away, where stages work, and at the
end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.histories.actors import Actor, Machine
from tests.histories.cluster import Task
from winsweep.artifact import Artifact
from winsweep.attempt import history, retry
from winsweep.errors import ClusterDown
from winsweep.store import damage
from winsweep.store.store import Store

HIDDEN = (".work", ".cache", ".judged", "results", "studies")
EXPECTED = (ClusterDown,)


class Rules:
    """What was broken, in words."""

    def __init__(self, machine: Machine, store: Store, artifacts: dict[str, Artifact]) -> None:
        self.machine, self.store, self.artifacts = machine, store, artifacts
        self.broken: list[str] = []
        self.made: dict[str, str] = {}  # key to what was published
        self.hurt: set[str] = set()  # published, and damaged by the history
        self.at_work: dict[str, list[Actor]] = {}
        self.strays: set[Actor | None] = set()  # whose end nobody is told of: they may live beside their successors
        self.to_raise: list[BaseException] = []
        self.raised: list[BaseException] = []
        self.is_finalizer_hit = False
        self.num_published = 0

    # -- what happens

    def asked(self, retry: bool) -> None:
        self.is_finalizer_hit = False

    def hit(self, task: Task) -> None:
        self.is_finalizer_hit = self.is_finalizer_hit or task.job.kind == "finalizer"

    def ended(self, actor: Actor, task: Task | None) -> None:
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
        if others := [a.name for a in self.at_work.get(key, ()) if a.lives and a not in self.strays and not a.is_frozen]:
            self.broken.append(f"doubled: {actor.name} and {', '.join(others)} make {key}")
        latest = self.store.latest(key)
        before = [end for end in history.ends(self.store, key)]
        if why := retry.failed(before):
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
        parts = Path(path).parts
        root = self.store.root.parts
        return len(parts) == len(root) + 2 and parts[: len(root)] == root and parts[len(root)] not in HIDDEN

    @staticmethod
    def _key(path: str) -> str:
        return f"{Path(path).parent.name}/{Path(path).name.rpartition('-')[2]}"
