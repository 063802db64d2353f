"""The cells of a study: which model meets which arm, seed and point of the grid, and what each is compared with."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from winsweep import strict
from winsweep.strict import Node
from winsweep.study import evaluation, selection
from winsweep.study.arms import Arm, one_of
from winsweep.study.cell import Cell, Comparison, Generation, Judge, LocalFile, Model, Rows, Source, Training
from winsweep.study.distinct import distinct
from winsweep.study.lora import VLLM_RANKS
from winsweep.study.parts import Parts
from winsweep.study.recipe_layers import RecipeLayers
from winsweep.study.sections import Reference
from winsweep.study.selection import Selection
from winsweep.study.starts import ModelEntry, Point, Start, read_starts
from winsweep.study.trajectory import at_epoch, stopped

MOST_LABEL = 200  # letters of a cell's name; its directories have some more, and file systems allow 255


class Varying(NamedTuple):
    """What outputs hang on beside model and arm."""

    seed: bool
    point: bool


def families(models: Sequence[ModelEntry], arms: Mapping[str, Arm]) -> list[str]:
    """MODEL.ARM of everything that is trained."""
    return [f"{m.name}.{a.name}" for m in models for a in arms.values() if a.section == "tasks" and a.fits(m.name)]


@dataclass
class Cells:
    """What decides the cells of the study at `root`, its sections being read."""

    root: Node
    parts: Parts
    recipes: RecipeLayers
    arms: Mapping[str, Arm]
    instructions: Source
    judge: Judge
    selection: Selection | None = None
    models: Mapping[str, ModelEntry] = field(default_factory=dict)
    starts: Mapping[str, Start] = field(default_factory=dict)
    generations: dict[tuple, Generation] = field(default_factory=dict)
    started: dict[tuple, Model] = field(default_factory=dict)

    def read(
        self, seen: strict.Findings, models: Sequence[ModelEntry], points: Sequence[Point], seeds: Sequence[int]
    ) -> tuple[Cell, ...]:
        """Every cell, those of trajectories included, in the order of the study; `seen` keeps what is wrong with some.
        BadStudy if there are none, or two of one label, or for a model that no cell can be the start of.
        """
        self.models, self.starts = {m.name: m for m in models}, read_starts(models, self.arms, points, seeds)
        cells: list[Cell] = []
        for entry, arm, seed in itertools.product(models, self.arms.values(), seeds):
            if arm.fits(entry.name):
                for point in points if self.hangs_on(entry, arm).point else points[:1]:
                    if run := seen.of(self.cell, entry, arm, seed, point):
                        cells.append(run)
                        stops = (seen.of(at_epoch, run, epoch, written) for epoch, written in arm.trajectory.items())
                        cells += filter(None, stops)
        return distinct(cells, self.root) if cells or not seen.found else ()

    def cell(self, entry: ModelEntry, arm: Arm, seed: int, point: Point) -> Cell:
        """What one arm of a model is at a seed and point, and what it is compared with."""
        candidate = self.generation(entry, arm, seed, point)
        reference = self.reference(arm, entry.name)
        other = reference if isinstance(reference, LocalFile) else self.generation(entry, reference, seed, point)
        label, varies = self.label(entry, arm, seed, point), self.hangs_on(entry, arm).point
        if len(label) > MOST_LABEL:
            raise self.root.error(
                f"found a cell whose name has {len(label)} letters, {label}",
                f"{MOST_LABEL} at most are legal: it names files",
                "shorten the names of its model or task, or take fields out of grid:",
            )
        return Cell(
            label,
            entry.name,
            arm.name,
            seed,
            tuple((k, selection.varying(v)) for k, v in point.items()) if varies else (),
            arm.leave_out,
            Comparison(label, candidate, other, self.judge),
        )

    def label(self, entry: ModelEntry, arm: Arm, seed: int, point: Point) -> str:
        of_point = selection.point_label(point) if self.hangs_on(entry, arm).point else ""
        return f"{entry.name}.{arm.name}.s{seed}{of_point}"

    def hangs_on(self, entry: ModelEntry, arm: Arm) -> Varying:
        """Which of seed and point the outputs of an arm of a model hang on: an untrained one has no recipe to vary,
        unless that of the cell that its model starts from does.
        """
        if arm.task:
            return Varying(True, True)
        start = self.starts.get(entry.name)
        if start is None:
            return Varying(False, False)
        below = self.hangs_on(self.models[start.model], self.arms[start.arm])
        return Varying(below.seed and start.seed is None, below.point and start.point is None)

    def reference(self, arm: Arm, model: str) -> Arm | LocalFile:
        """What the cells of an arm are compared with: what the arm says, else what the study says."""
        given = self.root.mapping()
        if arm.reference:
            is_own = "reference" in given[arm.section].mapping()[arm.name].mapping()
            said_by = arm if is_own or arm.of is None else self.arms[arm.of]
            at = given[said_by.section].mapping()[said_by.name].mapping()["reference"]
            return one_of(self.arms, arm.reference, at, lambda a: a.fits(model))
        compare = given["compare"].mapping()
        node = compare.get("reference", given["compare"])
        named = node.mapping("task") if "reference" in compare else {}
        strict.refuse_unknown(named, strict.keys(Reference), node)
        if len(named) != 1:
            raise node.error(
                "no single reference", "exactly one of reference: {task: NAME} and reference: {outputs: FILE} is legal"
            )
        if "outputs" in named:
            return self.parts.local(named["outputs"])
        return one_of(self.arms, strict.read(str, named["task"]), named["task"], lambda a: a.fits(model))

    def generation(self, entry: ModelEntry, arm: Arm, seed: int, point: Point) -> Generation:
        """The one object for all cells that ask for these outputs: what is the same object need not be compared."""
        hangs = self.hangs_on(entry, arm)
        at = (entry.name, arm.name, seed if hangs.seed else None, selection.point_label(point) if hangs.point else "")
        if at not in self.generations:
            self.generations[at] = self.new_generation(entry, arm, seed, point)
        return self.generations[at]

    def new_generation(self, entry: ModelEntry, arm: Arm, seed: int, point: Point) -> Generation:
        """The outputs of an arm, trained or not, on the study's instructions."""
        answered: Model | Training = self.model(entry, seed, point)
        if arm.of:
            answered = self.tuned(entry, self.arms[arm.of], seed, point)
        elif arm.task:
            answered = self.new_training(entry, arm, arm.task, seed, point)
        if arm.decoding.engine == "vllm" and (rank := _adapter_rank(answered)) > VLLM_RANKS[-1]:
            raise (
                self.root.mapping()
                .get("decoding", self.root)
                .error(
                    f"engine: vllm with the adapters of {entry.name}.{arm.name}, of rank {rank}",
                    f"vllm takes adapters of rank {VLLM_RANKS[-1]} at most",
                    "type recipe: {lora: {merge: true}} for one model, or engine: slots",
                )
            )
        if arm.decoding.engine == "vllm" and _is_on_4_bits(answered):
            raise (
                self.root.mapping()
                .get("decoding", self.root)
                .error(
                    f"engine: vllm with the adapters of {entry.name}.{arm.name}, whose base is in 4 bits",
                    "vllm puts adapters on the base as it is, which is another model",
                    "type recipe: {lora: {merge: true}} for one model, or engine: slots",
                )
            )
        hangs, name = self.hangs_on(entry, arm), self.label(entry, arm, seed, point)
        if arm.task is None and not hangs.seed and not (hangs.point and point):
            name = f"{entry.name}.{arm.name}"
        return Generation(name, answered, arm.adapter, arm.decoding, arm.frame, self.instructions, arm.grammar)

    def tuned(self, entry: ModelEntry, arm: Arm, seed: int, point: Point) -> Training:
        """The finetune of a trained arm, at any seed."""
        model = self.generation(entry, arm, seed, point).model
        if not isinstance(model, Training):
            raise LookupError(f"{arm.name} trains nothing")
        return model

    def new_training(self, entry: ModelEntry, arm: Arm, task: Rows, seed: int, point: Point) -> Training:
        owns, label = self.owns(entry), self.label(entry, arm, seed, point)
        recipe, held_out = self.recipes.of(entry.name, owns, arm, point), self.recipes.eval_of(owns, arm)
        looked_at = evaluation.read(held_out[1], held_out[0], self.arms, self.parts) if held_out else None
        model = self.model(entry, seed, point)
        tuned = Training(label, model, task, recipe, seed, arm.frame, evaluation=looked_at)
        if self.selection:
            start = self.model(entry, self.selection.seed, point)
            tuned = self.selection.of(tuned, f"{entry.name}.{arm.name}", arm.decoding, start)
        return tuned

    def model(self, entry: ModelEntry, seed: int, point: Point) -> Model:
        """The model that a cell of this seed and point is made from, the one object for all of them."""
        if entry.model:
            return entry.model
        start = self.starts[entry.name]
        seed, point = seed if start.seed is None else start.seed, start.point or point
        at = (entry.name, seed, selection.point_label(point))
        if at not in self.started:
            below, arm = self.models[start.model], self.arms[start.arm]
            tuned = self.tuned(below, arm, seed, point)
            if not tuned.recipe.makes_model:
                raise start.at.error(
                    f"found {start.model}.{start.arm}, which makes adapters and no model",
                    "a cell whose result is a model is legal",
                    "type merge: true in its recipe: {lora: …}",
                )
            if start.epoch:
                tuned = stopped(tuned, start.epoch, list(arm.trajectory), start.at)
            self.started[at] = Model(entry.name, tuned, context=self.parts.context(entry.own) or tuned.model.context)
        return self.started[at]

    def owns(self, entry: ModelEntry) -> list[Mapping[str, Node]]:
        """What the study says of a model and, before it, of those that it comes from."""
        below = self.owns(self.models[self.starts[entry.name].model]) if entry.name in self.starts else []
        return [*below, entry.own]


def _adapter_rank(answered: Model | Training) -> int:
    """The rank of the adapters that answer beside their model; 0 where there are none."""
    lora = answered.recipe.lora if isinstance(answered, Training) else None
    return lora.rank if lora and not lora.merge else 0


def _is_on_4_bits(answered: Model | Training) -> bool:
    lora = answered.recipe.lora if isinstance(answered, Training) else None
    return bool(lora and lora.quantize and not lora.merge)
