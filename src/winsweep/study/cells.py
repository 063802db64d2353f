"""The cells of a study: which model meets which arm, seed and point of the grid, and what each is compared with."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from winsweep import strict
from winsweep.strict import Node
from winsweep.study import evaluation, selection
from winsweep.study.arms import Arm, one_of
from winsweep.study.cell import Cell, Comparison, Generation, Judge, LocalFile, Model, Source, Training
from winsweep.study.distinct import distinct
from winsweep.study.parts import Parts
from winsweep.study.recipe_layers import RecipeLayers
from winsweep.study.sections import Reference
from winsweep.study.selection import Selection
from winsweep.study.trajectory import at_epoch

ModelEntry = tuple[Model, Mapping[str, Node]]  # a model and what the study says of it
Point = Mapping[str, Node]  # a point of the grid: recipe fields by name


def families(models: Sequence[ModelEntry], arms: Mapping[str, Arm]) -> list[str]:
    """MODEL.ARM of everything that is trained."""
    return [f"{m.name}.{a.name}" for m, _ in models for a in arms.values() if a.section == "tasks" and a.fits(m.name)]


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
    generations: dict[tuple, Generation] = field(default_factory=dict)

    def read(
        self, seen: strict.Findings, models: Sequence[ModelEntry], points: Sequence[Point], seeds: Sequence[int]
    ) -> tuple[Cell, ...]:
        """Every cell, those of trajectories included, in the order of the study; `seen` keeps what is wrong with some.
        BadStudy if there are none, or two of one label.
        """
        cells: list[Cell] = []
        for (model, own), arm, seed in itertools.product(models, self.arms.values(), seeds):
            if arm.fits(model.name):
                for point in points if arm.task else points[:1]:  # an untrained arm has no recipe to vary
                    if run := seen.of(self.cell, model, own, arm, seed, point):
                        cells.append(run)
                        stops = (seen.of(at_epoch, run, epoch, written) for epoch, written in arm.trajectory.items())
                        cells += filter(None, stops)
        return distinct(cells, self.root) if cells or not seen.found else ()

    def cell(self, model: Model, own: Mapping[str, Node], arm: Arm, seed: int, point: Point) -> Cell:
        """What one arm of a model is at a seed and point, and what it is compared with."""
        candidate = self.generation(model, own, arm, seed, point)
        reference = self.reference(arm, model)
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

    def reference(self, arm: Arm, model: Model) -> Arm | LocalFile:
        """What the cells of an arm are compared with: what the arm says, else what the study says."""
        given = self.root.mapping()
        if arm.reference:
            is_own = "reference" in given[arm.section].mapping()[arm.name].mapping()
            said_by = arm if is_own or arm.of is None else self.arms[arm.of]
            at = given[said_by.section].mapping()[said_by.name].mapping()["reference"]
            return one_of(self.arms, arm.reference, at, lambda a: a.fits(model.name))
        compare = given["compare"].mapping()
        node = compare.get("reference", given["compare"])
        named = node.mapping() if "reference" in compare else {}
        strict.refuse_unknown(named, strict.keys(Reference), node)
        if len(named) != 1:
            raise node.error(
                "no single reference", "exactly one of reference: {task: NAME} and reference: {outputs: FILE} is legal"
            )
        if "outputs" in named:
            return self.parts.local(named["outputs"])
        return one_of(self.arms, strict.read(str, named["task"]), named["task"], lambda a: a.fits(model.name))

    def generation(self, model: Model, own: Mapping[str, Node], arm: Arm, seed: int, point: Point) -> Generation:
        """The one object for all cells that ask for these outputs: what is the same object need not be compared."""
        at = (model.name, arm.name, *((seed, selection.point_label(point)) if arm.task else ()))
        if at not in self.generations:
            self.generations[at] = self.new_generation(model, own, arm, seed, point)
        return self.generations[at]

    def new_generation(self, model: Model, own: Mapping[str, Node], arm: Arm, seed: int, point: Point) -> Generation:
        """The outputs of an arm, trained or not, on the study's instructions."""
        answered: Model | Training = model
        name = f"{model.name}.{arm.name}"
        if arm.task:
            answered = self.tuned(model, own, self.arms[arm.of] if arm.of else arm, seed, point)
            name = _label(model.name, arm, seed, point)
        return Generation(name, answered, arm.adapter, arm.decoding, arm.frame, self.instructions, arm.grammar)

    def tuned(self, model: Model, own: Mapping[str, Node], arm: Arm, seed: int, point: Point) -> Training:
        """The finetune of a task, its recipe decided or to be chosen."""
        if arm.task is None:
            raise LookupError(f"{arm.name}: an arm that trains nothing")
        recipe = self.recipes.of(model, own, arm, point)
        label, held_out = _label(model.name, arm, seed, point), self.recipes.eval_of(own, arm)
        looked_at = evaluation.read(held_out[1], held_out[0], self.arms, self.parts) if held_out else None
        tuned = Training(label, model, arm.task, recipe, seed, arm.frame, evaluation=looked_at)
        return self.selection.of(tuned, f"{model.name}.{arm.name}", arm.decoding) if self.selection else tuned


def _label(model: str, arm: Arm, seed: int, point: Point) -> str:
    return f"{model}.{arm.name}.s{seed}{selection.point_label(point) if arm.task else ''}"
