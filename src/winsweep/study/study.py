"""What a study file may say, and the table of cells that it asks for."""

import dataclasses
import itertools
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from winsweep import layout, strict
from winsweep.errors import BadStudy
from winsweep.strict import Node
from winsweep.study import selection
from winsweep.study.analyses import Analysis, read_analyses
from winsweep.study.arms import Arm, Common, adapter_arms, one_of, overrides, refuse_same, refuse_twins, task_arms
from winsweep.study.cell import Cell, Comparison, Decoding, Generation, Judge, LocalFile, Model, Table, Training
from winsweep.study.distinct import distinct
from winsweep.study.frame import Frame
from winsweep.study.parts import Fingerprint, Parts, check_study_name, names_in
from winsweep.study.published import read_published
from winsweep.study.recipe import PRESETS, Recipe
from winsweep.study.sections import Compare, Reference, StudyFile
from winsweep.study.selection import Selection
from winsweep.study.trajectory import at_epoch
from winsweep.study.web_file import UrlFile

SECTIONS = strict.keys(StudyFile)


@dataclass(frozen=True)
class Study:
    """A study, read and checked: its table, its analyses by label, and where the local files that it names lie, or
    should.
    """

    name: str
    path: Path
    table: Table
    files: Mapping[str, Path]
    urls: Mapping[Path, UrlFile]  # those that come from the web
    # those that are not there, with what to say; keys of what is made from them may be wrong
    missing: Mapping[Path, str]
    notes: str = ""  # shown under the table
    analyses: Mapping[str, Analysis] = dataclasses.field(default_factory=dict)


def read_study(path: Path, fingerprint: Fingerprint, lenient: bool = False) -> Study:
    """The study at `path`; BadStudy says file, line, key, what was found, what is legal and what to type.

    So it does for every file that is not there, unless it is `lenient`: then these are `missing`, and only for looking
    at.
    """
    study = _Reader(path, fingerprint).study()
    if study.missing and not lenient:
        raise BadStudy("\n".join(study.missing.values()))
    return study


class _Reader:
    """Reads one study file; remembers where local files lie."""

    def __init__(self, path: Path, fingerprint: Fingerprint) -> None:
        self.path, self.parts = path, Parts(path, fingerprint)
        self.root = read_layers(path)
        self.given = self.root.mapping()
        self.generations: dict[tuple, Generation] = {}
        self.recipes: dict[tuple, Recipe] = {}

    def study(self) -> Study:
        """Everything that stands by itself first, then what is made of it; each time all errors at once."""
        seen = strict.Findings()
        seen.of(strict.refuse_unknown, self.given, SECTIONS, self.root)
        name, notes = seen.of(self.name), seen.of(self.notes)
        compare = seen.of(self.compare) or {}
        self.judge, difficulty = seen.of(self.judge_of, compare), seen.of(self.difficulty, compare)
        seen.of(lambda: compare["reference"].mapping() if "reference" in compare else {})
        parts = self.independent(seen)
        if seen.found:  # nothing more can be read of it, but files that are not there are known
            seen.found += self.parts.missing.values()
        seen.stop()
        cells = self.cells(seen, compare, *parts)
        seen.stop()
        analyses = (
            seen.of(read_analyses, self.given["analyses"], cells, self.arms, self.parts)
            if "analyses" in self.given
            else {}
        )
        families = [f"{c.model}.{c.task}" for c in cells]
        published = (
            (seen.of(read_published, self.given["published"], families, self.path) or ())
            if "published" in self.given
            else ()
        )
        seen.stop()
        return Study(
            name,
            self.path,
            Table(name, cells, difficulty, published),
            self.parts.files,
            self.parts.urls,
            self.parts.missing,
            notes,
            analyses,
        )

    def independent(self, seen: strict.Findings) -> tuple:
        """Models, points of the grid and seeds; what cells ask and the arms are kept. Every layer of every recipe is
        looked at.
        """
        self.instructions = seen.of(
            lambda: self.parts.source(self.need("instructions"), "instructions", "instructions")
        )
        models, points, seeds = (
            seen.of(self.models),
            seen.of(selection.points, self.given.get("grid")),
            seen.of(self.seeds),
        )
        self.arms = seen.of(self.read_arms, list(self.given["models"].mapping() if models is not None else [])) or {}
        for layer in ({}, *self.layers()):
            seen.of(self.recipe, layer)
        return models, points, seeds

    def layers(self) -> typing.Iterator[dict[str, Node]]:
        """What models, tasks and the grid say of recipes, as far as it can be read."""
        for section in ("models", "tasks"):
            entries = self.given[section].value if section in self.given else None
            for entry in entries.values() if isinstance(entries, dict) else ():
                own = entry.value.get("recipe") if isinstance(entry.value, dict) else None
                if own and isinstance(own.value, dict):
                    yield own.value
        grid = self.given["grid"].value if "grid" in self.given else None
        for name, values in grid.items() if isinstance(grid, dict) else ():
            yield from ({name: value} for value in values.value or ())

    def name(self) -> str:
        name = strict.read(str, self.need("name"))
        check_study_name(name, self.given["name"])
        return name

    def notes(self) -> str:
        return strict.read(str, self.given["notes"]) if "notes" in self.given else ""

    def compare(self) -> dict[str, Node]:
        return self.need("compare").mapping()

    def difficulty(self, compare: dict[str, Node]) -> LocalFile | None:
        strict.refuse_unknown(compare, strict.keys(Compare), self.given.get("compare", self.root))
        return self.parts.local(compare["difficulty"]) if "difficulty" in compare else None

    def need(self, section: str) -> Node:
        if section not in self.given:
            raise self.root.error(f"{section} is missing", f"a study has {', '.join(SECTIONS)}", f"add {section}:")
        return self.given[section]

    def section(self, kind: type, name: str) -> typing.Any:
        return strict.read(kind, self.given[name]) if name in self.given else kind()

    def cells(
        self, seen: strict.Findings, compare: dict[str, Node], models: list, points: list, seeds: Sequence[int]
    ) -> tuple[Cell, ...]:
        families = [f"{m.name}.{a.name}" for m, _ in models for a in self.arms.values() if a.task and a.fits(m.name)]
        self.selection = seen.of(self.read_selection, families)
        cells = []
        for (model, node), arm, seed in itertools.product(models, self.arms.values(), seeds):
            if arm.fits(model.name):
                for point in points if arm.task else points[:1]:  # an untrained arm has no recipe to vary
                    if run := seen.of(self.cell, model, node, arm, seed, point, compare):
                        cells.append(run)
                        cells += filter(
                            None, (seen.of(at_epoch, run, epoch, written) for epoch, written in arm.trajectory.items())
                        )
        return distinct(cells, self.root) if cells or not seen.found else ()

    def cell(
        self, model: Model, own: dict[str, Node], arm: Arm, seed: int, point: dict[str, Node], compare: dict[str, Node]
    ) -> Cell:
        candidate = self.generation(model, own, arm, seed, point)
        reference = self.reference(compare, arm, model)
        other = reference if isinstance(reference, LocalFile) else self.generation(model, own, reference, seed, point)
        label, varying = _label(model.name, arm, seed, point), tuple((k, v.value) for k, v in point.items())
        return Cell(
            label,
            model.name,
            arm.name,
            seed,
            varying if arm.task else (),
            arm.leave_out,
            Comparison(label, candidate, other, self.judge),
        )

    def models(self) -> list[tuple[Model, dict[str, Node]]]:
        seen, out = strict.Findings(), []
        given = strict.not_empty(self.need("models"), "type a line such as toy: {pretrain: {corpus: toy}}")
        for name, node in given.mapping().items():
            model = seen.of(self.parts.model, name, node)
            out.append((model, node.value)) if model else None
        seen.stop()
        refuse_twins([(m.name, m) for m, _ in out], self.given["models"])
        return out

    def read_arms(self, models: list[str]) -> dict[str, Arm]:
        seen = strict.Findings()
        decoding, frame = seen.of(self.section, Decoding, "decoding"), seen.of(self.section, Frame, "frame")
        common = Common(decoding or Decoding(), frame or Frame(), models)
        out = (seen.of(adapter_arms, self.given["adapters"], common) or []) if "adapters" in self.given else []
        out += seen.of(lambda: task_arms(self.need("tasks"), common, self.parts)) or []
        seen.stop()
        if not out:
            strict.not_empty(self.given["tasks"], "name a task, or an adapter under adapters:")
        refuse_same([a.name for a in out], self.given["tasks"], "task")
        return {a.name: a for a in out}

    def seeds(self) -> tuple[int, ...]:
        seeds = strict.read(tuple[int, ...], strict.not_empty(self.need("seeds"), "type seeds: [1]"))
        refuse_same(seeds, self.given["seeds"], "seed")
        return seeds

    def read_selection(self, families: list[str]) -> Selection | None:
        if "choose" not in self.given:
            return None
        return selection.read_selection(
            self.given["choose"],
            families,
            self.judge,
            lambda n: self.parts.source(n, "validation", "instructions"),
            self.parts.judge,
            self.parts.local,
        )

    def judge_of(self, compare: dict[str, Node]) -> Judge:
        if "judge" not in compare:
            raise self.given.get("compare", self.root).error(
                "judge is missing", f"legal: {', '.join(names_in(layout.JUDGES))}", "add judge: NAME"
            )
        return self.parts.judge(compare["judge"])

    def reference(self, compare: dict[str, Node], arm: Arm, model: Model) -> Arm | LocalFile:
        """What the cells of an arm are compared with: the arm's own word, or the study's."""
        if arm.reference:
            at = self.given["tasks" if arm.task else "adapters"].mapping()[arm.name].mapping()["reference"]
            return one_of(self.arms, arm.reference, at, lambda a: a.fits(model.name))
        node = compare.get("reference", self.given["compare"])
        given = node.mapping() if "reference" in compare else {}
        strict.refuse_unknown(given, strict.keys(Reference), node)
        if len(given) != 1:
            raise node.error(
                "no single reference", "exactly one of reference: {task: NAME} and reference: {outputs: FILE} is legal"
            )
        if "outputs" in given:
            return self.parts.local(given["outputs"])
        return one_of(self.arms, strict.read(str, given["task"]), given["task"], lambda a: a.fits(model.name))

    def generation(self, model: Model, own: dict[str, Node], arm: Arm, seed: int, point: dict[str, Node]) -> Generation:
        """The one object for all cells that ask for these outputs: what is the same object need not be compared."""
        at = (model.name, arm.name, *((seed, selection.point_label(point)) if arm.task else ()))
        if at not in self.generations:
            self.generations[at] = self.new_generation(model, own, arm, seed, point)
        return self.generations[at]

    def new_generation(
        self, model: Model, own: dict[str, Node], arm: Arm, seed: int, point: dict[str, Node]
    ) -> Generation:
        source, family = model, f"{model.name}.{arm.name}"
        if arm.task is not None:
            recipe = self.recipe_of(model, own, arm, point)
            source = Training(_label(model.name, arm, seed, point), model, arm.task, recipe, seed, arm.frame)
            source = self.selection.of(source, family, arm.decoding) if self.selection else source
        label = source.name if arm.task else family
        return Generation(label, source, arm.adapter, arm.decoding, arm.frame, self.instructions)

    def recipe_of(self, model: Model, own: dict[str, Node], arm: Arm, point: dict[str, Node]) -> Recipe:
        at = (model.name, arm.name, selection.point_label(point))
        if at not in self.recipes:
            self.recipes[at] = self.recipe(own["recipe"].mapping() if "recipe" in own else {}, arm.recipe, point)
        return self.recipes[at]

    def recipe(self, *layers: Mapping[str, Node]) -> Recipe:
        """The study's recipe, then the model's, the task's and the grid's word, the later one winning; the preset says
        the rest.
        """
        merged = dict(self.given["recipe"].mapping()) if "recipe" in self.given else {}
        for layer in layers:
            merged |= layer
        preset = strict.read(typing.Literal[*PRESETS], merged.pop("preset")) if "preset" in merged else "as_run"
        if "keep_epochs" in merged:
            raise merged["keep_epochs"].error(
                "found checkpoints of a longer run",
                "each number of epochs has a learning-rate schedule of its own, so one run is not several",
                "type grid: {epochs: [5, 7]}, or trajectory: [5] beside from: for points of one run",
            )
        return dataclasses.replace(PRESETS[preset], **overrides(Recipe, merged, self.given.get("recipe", self.root)))


def read_layers(path: Path, over: tuple[Path, ...] = ()) -> Node:
    """The file at `path` over the one that it extends:, if it does; BadStudy if a file extends itself."""
    root = strict.read_yaml(path)
    given = root.mapping()
    if "extends" not in given:
        return root
    base = path.parent / strict.read(str, given["extends"])
    if base.resolve() in (path.resolve(), *over):
        raise given["extends"].error(f"{base} extends this file", "a study that extends no other must be at the end")
    below = read_layers(base, (path.resolve(), *over))
    return strict.overlay(
        below, Node({k: v for k, v in given.items() if k != "extends"}, root.file, root.line, root.path)
    )


def _label(model: str, arm: Arm, seed: int, point: dict[str, Node]) -> str:
    return f"{model}.{arm.name}.s{seed}{selection.point_label(point) if arm.task else ''}"
