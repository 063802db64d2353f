"""An arm of a study before it meets a model and a seed: what it trains on or adds to a model, and which models it is
meant for.
"""

import dataclasses
import typing
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass

from winsweep import strict
from winsweep.keys import canonical
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study import mixes
from winsweep.study.cell import Decoding, Rows
from winsweep.study.frame import Frame
from winsweep.study.grammar import read_grammar
from winsweep.study.names import check_name
from winsweep.study.parts import Parts
from winsweep.study.rules import PRESETS, Adapter, Grammar
from winsweep.study.sections import AdapterEntry


@dataclass(frozen=True)
class Arm:
    """A task or an adapter of a study, with what it says of recipe, decoding, frame and models."""

    name: str
    task: Rows | None  # None: an untrained arm
    adapter: Adapter
    decoding: Decoding
    frame: Frame
    recipe: Mapping[str, Node]
    leave_out: tuple[str, ...]
    models: tuple[str, ...] | None  # None: every model
    reference: str | None  # the arm that it is compared with, where that is not the study's
    # epochs before the last at whose end it is looked at
    trajectory: Mapping[int, Node] = dataclasses.field(default_factory=dict)
    grammar: Grammar | None = None
    of: str | None = None  # of an adapter: the task whose models it adapts

    @property
    def section(self) -> str:
        """Where the study says it."""
        return "tasks" if self.task and not self.of else "adapters"

    def fits(self, model: str) -> bool:
        """Whether it is meant for a model of this name."""
        return self.models is None or model in self.models


@dataclass(frozen=True)
class Common:
    """What the study says for all arms, and the names of its models."""

    decoding: Decoding
    frame: Frame
    models: Collection[str] | None  # None: they could not be read, and what names some is not judged


def adapter_arms(section: Node, common: Common, parts: Parts, tasks: Mapping[str, Arm] | None) -> list[Arm]:
    """The arms that train nothing of their own, one for each entry of adapters:; no `tasks`: they could not be read."""
    return _each(lambda name, node: _adapter_arm(name, node, common, parts, tasks), section.mapping().items())


def task_arms(section: Node, common: Common, parts: Parts) -> list[Arm]:
    """The trained arms, one for each entry of tasks:; BadStudy if two ask for the same thing."""
    entries = _named(section)
    out = _each(lambda name, node: _task_arm(name, node, common, entries, parts), entries)
    refuse_twins([(a.name, [a.task, a.leave_out, a.frame, a.models]) for a in out if not a.recipe], section)
    return out


def _each(read: Callable[[str, Node], Arm], entries: typing.Iterable[tuple[str, Node]]) -> list[Arm]:
    """An arm of each entry; BadStudy with the errors of all of them."""
    seen = strict.Findings()
    found = [seen.of(read, name, node) for name, node in entries]
    seen.stop()
    return [strict.present(arm) for arm in found]


def _adapter_arm(name: str, node: Node, common: Common, parts: Parts, tasks: Mapping[str, Arm] | None) -> Arm:
    check_name(name, node)
    given = dict(node.mapping())
    own, preset, of, language = (given.pop(key, None) for key in ("decoding", "preset", "of", "grammar"))
    task = _adapted(of, tasks) if of and tasks is not None else None
    shared = _shared(given, common if task is None else dataclasses.replace(common, frame=task.frame))
    decoding = (
        dataclasses.replace(common.decoding, **overrides(Decoding, own.mapping(), own)) if own else common.decoding
    )
    start = PRESETS[strict.read(typing.Literal[*PRESETS], preset) if preset else "as_run"]
    adapter = dataclasses.replace(start, **_rules(given, node))
    if adapter.rules and shared["frame"].template == "chat":
        raise node.error(
            "found rules under frame: {template: chat}",
            "rules count from speaker tags",
            "remove template: or the rules",
        )
    grammar = read_grammar(language, parts) if language else None
    if task is None:
        return Arm(name, None, adapter, decoding, recipe={}, leave_out=(), grammar=grammar, **shared)
    if task.models and shared["models"] and not set(shared["models"]) <= set(task.models):
        legal = f"legal: {', '.join(task.models)}, those of the task {task.name}"
        raise node.mapping()["models"].error(f"found {', '.join(shared['models'])}", legal)
    kept = {key: value for key, value in shared.items() if value is not None}
    replaced = dataclasses.replace(task, name=name, adapter=adapter, decoding=decoding, trajectory={}, **kept)
    return dataclasses.replace(replaced, grammar=grammar, of=task.name)


def _rules(given: Mapping[str, Node], node: Node) -> dict[str, typing.Any]:
    """The fields of rules that an adapter names; BadStudy for a key that is of no adapter."""
    seen, rules = strict.Findings(), strict.keys(Adapter)
    seen.of(strict.refuse_unknown, given, (*rules, *strict.keys(AdapterEntry)), node)
    found = seen.of(overrides, Adapter, {key: at for key, at in given.items() if key in rules}, node)
    seen.stop()
    return strict.present(found)


def _adapted(node: Node, tasks: Mapping[str, Arm]) -> Arm:
    """The task that an adapter is of."""
    name = strict.read(str, node)
    if name not in tasks:
        raise node.error(f"no task {quoted(name)} in this study", strict.near(name, tasks))
    return tasks[name]


def _task_arm(name: str, node: Node, common: Common, entries: list[tuple[str, Node]], parts: Parts) -> Arm:
    check_name(name, node)
    given = dict(node.mapping("path"))
    recipe = given["recipe"].mapping() if "recipe" in given else {}
    leave_out = strict.read(tuple[str, ...], given["leave_out"]) if "leave_out" in given else ()
    trajectory = {strict.read(int, at): at for at in strict.items(given["trajectory"])} if "trajectory" in given else {}
    return Arm(
        name,
        mixes.task_source(name, node, entries, parts),
        Adapter(),
        common.decoding,
        recipe=recipe,
        leave_out=leave_out,
        trajectory=trajectory,
        **_shared(given, common),
    )


def _shared(given: dict[str, Node], common: Common) -> dict[str, typing.Any]:
    """What both kinds of entry may say, taken out of `given`."""
    frame, models, reference = (given.pop(key, None) for key in ("frame", "models", "reference"))
    return {
        "frame": strict.read(Frame, frame) if frame else common.frame,
        "models": _model_names(models, common) if models else None,
        "reference": strict.read(str, reference) if reference else None,
    }


def _model_names(node: Node, common: Common) -> tuple[str, ...]:
    names: tuple[str, ...] = strict.read(
        tuple[str, ...], strict.not_empty(node, "name models, or take the key out: that means all")
    )
    for n in names:
        if common.models is not None and n not in common.models:
            raise node.error(f"no model {quoted(n)} in this study", strict.near(n, common.models))
    return names


def _named(section: Node) -> list[tuple[str, Node]]:
    """The entries of a mapping, or of a list of names that stand for themselves."""
    if not isinstance(section.value, list):
        return list(section.mapping().items())
    names = strict.read(tuple[str, ...], section)
    refuse_same(names, section, "task")
    return [(n, Node({"from": at}, at.file, at.line, at.path)) for n, at in zip(names, section.value, strict=True)]


def overrides(kind: type, given: Mapping[str, Node], at: Node) -> dict[str, typing.Any]:
    """The fields of `kind` that `given` names, checked, each of the type that it has there."""
    value = strict.read_fields(kind, dict(given), at)
    return {name: getattr(value, name) for name in given}


def refuse_same(names: typing.Sequence[object], at: Node, what: str) -> None:
    """BadStudy if something is listed twice."""
    seen = set()
    for name in names:
        known = name if isinstance(name, Hashable) else canonical(name)
        if known in seen:
            raise at.error(
                f"duplicate cell: the {what} {name} is listed twice", "each cell may stand once", "remove one"
            )
        seen.add(known)


def refuse_twins(named: list[tuple[str, object]], at: Node) -> None:
    """BadStudy if two names stand for equal values."""
    seen: dict[str, str] = {}
    for name, value in named:
        twin = seen.setdefault(canonical(value), name)
        if twin != name:
            raise at.error(
                f"duplicate cell: {name} and {twin} ask for the same thing",
                "each cell may stand once",
                f"remove {name}",
            )


def one_of(names: Mapping[str, Arm], name: str, at: Node, fits: Callable[[Arm], bool] = lambda _: True) -> Arm:
    """The arm called `name`; BadStudy, with the near miss, if there is none that fits."""
    if name not in names or not fits(names[name]):
        raise at.error(
            f"no task or adapter {quoted(name)} in this study",
            strict.near(name, [n for n, a in names.items() if fits(a)]),
        )
    return names[name]
