"""What a study file may say, and the table of cells that it asks for."""

import dataclasses
import itertools
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from winsweep import layout, strict
from winsweep.cell import Adapter, Cell, Comparison, Decoding, Generation, Judge, LocalFile, Model, Source, Table, Training
from winsweep.frame import Frame
from winsweep.keys import canonical
from winsweep.parts import Fingerprint, Parts, check_name, names_in
from winsweep.recipe import PRESETS, Recipe
from winsweep.strict import Node

SECTIONS = ("name", "models", "tasks", "seeds", "recipe", "grid", "frame", "instructions", "decoding", "adapters", "compare", "notes")


@dataclass(frozen=True)
class Study:
    """A study, read and checked: its table, and where the local files that it names lie."""

    name: str
    path: Path
    table: Table
    files: Mapping[str, Path]
    notes: str = ""  # shown under the table


@dataclass(frozen=True)
class Arm:
    """A task or an adapter of the study, before it meets a model and a seed."""

    name: str
    task: Source | None
    adapter: Adapter
    decoding: Decoding
    recipe: dict[str, Node]
    leave_out: tuple[str, ...]


def read_study(path: Path, fingerprint: Fingerprint) -> Study:
    """The study at `path`; BadStudy says file, line, key, what was found, what is legal and what to type."""
    return _Reader(path, fingerprint).study()


class _Reader:
    """Reads one study file; remembers where local files lie."""

    def __init__(self, path: Path, fingerprint: Fingerprint) -> None:
        self.path, self.parts = path, Parts(path.parent, fingerprint)
        self.root = strict.read_yaml(path)
        self.given = self.root.mapping()

    def study(self) -> Study:
        strict.refuse_unknown(self.given, SECTIONS, self.root)
        name = strict.read(str, self.need("name"))
        check_name(name, self.given["name"])
        compare = self.need("compare").mapping()
        strict.refuse_unknown(compare, ("judge", "reference", "difficulty"), self.given["compare"])
        cells = self.cells(compare)
        difficulty = self.parts.local(compare["difficulty"]) if "difficulty" in compare else None
        return Study(name, self.path, Table(name, cells, difficulty), self.parts.files, self.notes())

    def notes(self) -> str:
        return strict.read(str, self.given["notes"]) if "notes" in self.given else ""

    def need(self, section: str) -> Node:
        if section not in self.given:
            raise self.root.error(f"{section} is missing", f"a study has {', '.join(SECTIONS)}", f"add {section}:")
        return self.given[section]

    def section(self, kind: type, name: str) -> typing.Any:
        return strict.read(kind, self.given[name]) if name in self.given else kind()

    def cells(self, compare: dict[str, Node]) -> tuple[Cell, ...]:
        self.frame, self.decoding = self.section(Frame, "frame"), self.section(Decoding, "decoding")
        self.instructions = self.parts.source(self.need("instructions"), "instructions", ())
        models, arms, seeds = self.models(), self.arms(), self.seeds()
        judge, reference = self.judge(compare), self.reference(compare, arms)
        cells, points = [], self.grid()
        grid = ((m, a, s, p) for m, a, s in itertools.product(models, arms, seeds) for p in (points if a.task else points[:1]))
        for (model, node), arm, seed, point in grid:  # an untrained arm has no recipe to vary
            candidate = self.generation(model, node, arm, seed, point)
            other = reference if isinstance(reference, LocalFile) else self.generation(model, node, reference, seed, point)
            names = _label(model.name, arm, seed, point)
            cells.append(Cell(names, model.name, arm.name, seed, _values(point) if arm.task else (), arm.leave_out,
                              Comparison(names, candidate, other, judge)))
        return tuple(cells)

    def models(self) -> list[tuple[Model, dict[str, Node]]]:
        out = [(self.parts.model(name, node), node.mapping()) for name, node in self.need("models").mapping().items()]
        _refuse_twins([(m.name, m) for m, _ in out], self.given["models"])
        return out

    def arms(self) -> list[Arm]:
        out = [self.adapter_arm(name, node) for name, node in self.given["adapters"].mapping().items()] if "adapters" in self.given else []
        tasks = self.need("tasks")
        for name, node in self.named(tasks):
            check_name(name, node)
            given = node.mapping()
            recipe = given["recipe"].mapping() if "recipe" in given else {}
            leave_out = strict.read(tuple[str, ...], given["leave_out"]) if "leave_out" in given else ()
            out.append(Arm(name, self.parts.source(node, name, ("recipe", "leave_out")), Adapter(), self.decoding, recipe, leave_out))
        _refuse_same([a.name for a in out], tasks, "task")
        _refuse_twins([(a.name, [a.task, a.leave_out, sorted(a.recipe)]) for a in out if a.task and not a.recipe], tasks)
        return out

    def named(self, node: Node) -> list[tuple[str, Node]]:
        """The entries of a mapping, or of a list of names that stand for themselves."""
        if not isinstance(node.value, list):
            return list(node.mapping().items())
        names = strict.read(tuple[str, ...], node)
        _refuse_same(names, node, "task")
        return [(n, Node({"from": at}, at.file, at.line, at.path)) for n, at in zip(names, node.value)]

    def adapter_arm(self, name: str, node: Node) -> Arm:
        check_name(name, node)
        given = dict(node.mapping())
        own = given.pop("decoding", None)
        decoding = dataclasses.replace(self.decoding, **_overrides(Decoding, own.mapping(), own)) if own else self.decoding
        return Arm(name, None, strict.read_fields(Adapter, given, node), decoding, {}, ())

    def seeds(self) -> tuple[int, ...]:
        seeds = strict.read(tuple[int, ...], self.need("seeds"))
        _refuse_same(seeds, self.given["seeds"], "seed")
        return seeds

    def grid(self) -> list[dict[str, Node]]:
        """Every combination of the listed recipe values; one empty point where there is no grid."""
        given = self.given["grid"].mapping() if "grid" in self.given else {}
        strict.refuse_unknown(given, ["preset", *(f.name for f in dataclasses.fields(Recipe))], self.given.get("grid", self.root))
        for node in given.values():
            _refuse_same([v.value for v in strict.items(node)], node, "value")
        return [dict(zip(given, point)) for point in itertools.product(*(strict.items(v) for v in given.values()))]

    def judge(self, compare: dict[str, Node]) -> Judge:
        if "judge" not in compare:
            raise self.given["compare"].error("judge is missing", f"legal: {', '.join(names_in(layout.JUDGES))}", "add judge: NAME")
        return self.parts.judge(compare["judge"])

    def reference(self, compare: dict[str, Node], arms: list[Arm]) -> Arm | LocalFile:
        node = compare.get("reference", self.given["compare"])
        given = node.mapping() if "reference" in compare else {}
        strict.refuse_unknown(given, ("task", "outputs"), node)
        if len(given) != 1:
            raise node.error("no single reference", "exactly one of reference: {task: NAME} and reference: {outputs: FILE} is legal")
        if "outputs" in given:
            return self.parts.local(given["outputs"])
        name, names = strict.read(str, given["task"]), {a.name: a for a in arms}
        if name not in names:
            raise given["task"].error(f"no task or adapter {name!r} in this study", strict.near(name, names))
        return names[name]

    def generation(self, model: Model, own: dict[str, Node], arm: Arm, seed: int, point: dict[str, Node]) -> Generation:
        source, label = model, f"{model.name}.{arm.name}"
        if arm.task is not None:
            label = _label(model.name, arm, seed, point)
            recipe = self.recipe(own["recipe"].mapping() if "recipe" in own else {}, arm.recipe, point)
            source = Training(label, model, arm.task, recipe, seed, self.frame)
        return Generation(label, source, arm.adapter, arm.decoding, self.frame, self.instructions)

    def recipe(self, *layers: dict[str, Node]) -> Recipe:
        """The study's recipe, then the model's, the task's and the grid's word, the later one winning; the preset says the rest."""
        merged = dict(self.given["recipe"].mapping()) if "recipe" in self.given else {}
        for layer in layers:
            merged |= layer
        preset = strict.read(typing.Literal[*PRESETS], merged.pop("preset")) if "preset" in merged else "as_run"
        if "keep_epochs" in merged:
            raise merged["keep_epochs"].error("found checkpoints of a longer run", "each number of epochs has a learning-rate schedule of "
                                              "its own, so one run is not several", "type grid: {epochs: [5, 7]}")
        return dataclasses.replace(PRESETS[preset], **_overrides(Recipe, merged, self.given.get("recipe", self.root)))


def _overrides(kind: type, given: dict[str, Node], at: Node) -> dict[str, object]:
    value = strict.read_fields(kind, given, at)
    return {name: getattr(value, name) for name in given}


def _values(point: dict[str, Node]) -> tuple[tuple[str, object], ...]:
    return tuple((k, v.value) for k, v in point.items())


def _label(model: str, arm: Arm, seed: int, point: dict[str, Node]) -> str:
    grid = "".join(f".{k}{v.value}" for k, v in point.items()) if arm.task else ""
    return f"{model}.{arm.name}.s{seed}{grid}"


def _refuse_same(names: typing.Sequence[object], at: Node, what: str) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise at.error(f"duplicate cell: the {what} {name} is listed twice", "each cell may stand once", "remove one")


def _refuse_twins(named: list[tuple[str, object]], at: Node) -> None:
    seen: dict[bytes, str] = {}
    for name, value in named:
        twin = seen.setdefault(canonical(value), name)
        if twin != name:
            raise at.error(f"duplicate cell: {name} and {twin} ask for the same thing", "each cell may stand once", f"remove {name}")
