"""What to do next: a pure comparison of what is wanted with what exists."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from winsweep.artifact import Artifact, closure

State = Literal["done", "running", "ready", "waiting", "failed", "blocked"]


@dataclass(frozen=True)
class Facts:
    """What was seen: published keys, running keys (with who runs them), failed keys (with why), stages whose output may
    be dropped.
    """

    present: Set[str] = frozenset()
    running: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    transient: Set[str] = frozenset()
    # keys that were found damaged: what was made from them before is as good as it was
    set_aside: Set[str] = frozenset()
    # keys whose next attempt is to begin at a time (seconds since 1970), and what it waits for
    waits: Mapping[str, tuple[float, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """An artifact, how it stands, and why."""

    artifact: Artifact
    state: State
    why: str
    stale: bool = False  # published, but something that it was made from is gone: it must make room first
    begin: float = 0.0  # of what is ready: not to be started before (seconds since 1970)


def plan(wanted: Sequence[Artifact], facts: Facts, order: Sequence[Artifact] = ()) -> list[Item]:
    """Every artifact that matters to `wanted`, inputs first, with its state; the same facts give the same plan.

    Done means published with everything that it was made from still there; the output of a transient stage may be gone
    once its users are done. Gates count for what is not done alone. The inputs and gates of a done artifact do not
    appear. `order` is the closure of `wanted`, for those who have it already.
    """
    order = order or closure(wanted)
    done = _done(order, facts)
    needed = _needed(wanted, order, done)
    items: dict[str, Item] = {}
    for a in order:
        if a.key in needed:
            items[a.key] = _item(a, done, facts, items)
    return list(items.values())


def _done(order: Sequence[Artifact], facts: Facts) -> set[str]:
    sound: set[str] = set()
    for a in order:
        may_be = a.key in facts.present or a.stage in facts.transient or a.key in facts.set_aside
        if may_be and sound.issuperset([i.key for i in a.inputs.values()]):
            sound.add(a.key)
    return sound & facts.present


def _needed(wanted: Sequence[Artifact], order: Sequence[Artifact], done: set[str]) -> set[str]:
    needed = {a.key for a in wanted}
    for a in reversed(order):  # users before what they use
        if a.key in needed and a.key not in done:
            needed.update([i.key for i in a.needs])
    return needed


def _item(a: Artifact, done: set[str], facts: Facts, before: Mapping[str, Item]) -> Item:
    if a.key in done:
        return Item(a, "done", "")
    stale = a.key in facts.present
    state, why = _state(a, facts, [before[i.key] for i in a.needs])
    if state == "ready" and a.key in facts.waits:
        begin, why = facts.waits[a.key]
        return Item(a, state, why, stale, begin)
    return Item(a, state, why, stale)


def _state(a: Artifact, facts: Facts, inputs: list[Item]) -> tuple[State, str]:
    if a.key in facts.running:
        return "running", facts.running[a.key]
    if a.key in facts.failed:
        return "failed", facts.failed[a.key]
    unfinished = [i for i in inputs if i.state != "done"]
    for i in unfinished:
        if i.state in ("failed", "blocked"):
            return "blocked", i.why if i.state == "blocked" else f"{i.artifact.name} failed"
    return ("waiting", f"needs {unfinished[0].artifact.name}") if unfinished else ("ready", "missing")


def state_of(items: Iterable[Item], a: Artifact) -> State:
    """An artifact that is not in the plan is below a done one, so it is not needed any more."""
    return next((i.state for i in items if i.artifact == a), "done")


def done_of(items: Iterable[Item], ends: Mapping[str, Artifact]) -> list[str]:
    """The names of those of `ends` that are done, of thousands as of one."""
    is_open = {i.artifact.key for i in items if i.state != "done"}
    return [name for name, a in ends.items() if a.key not in is_open]
