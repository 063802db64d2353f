"""The recipe of a cell: what the study, its model, its task and a point of the grid say; the later one wins."""

import dataclasses
import typing
from collections.abc import Mapping, Sequence

from winsweep import strict
from winsweep.strict import Node
from winsweep.study import selection
from winsweep.study.arms import Arm, overrides
from winsweep.study.recipe import PRESETS, Recipe


class RecipeLayers:
    """The recipes of the study file at `root`; the one object for all cells that have the same."""

    def __init__(self, root: Node) -> None:
        self.root, self.given = root, root.mapping()
        self.known: dict[tuple[str, str, str], Recipe] = {}

    def all(self) -> typing.Iterator[Mapping[str, Node]]:
        """Nothing, and what models, tasks and the grid say of recipes, as far as it can be read."""
        yield {}
        for section in ("models", "tasks"):
            entries = self.given[section].value if section in self.given else None
            for entry in entries.values() if isinstance(entries, dict) else ():
                own = entry.value.get("recipe") if isinstance(entry.value, dict) else None
                if own and isinstance(own.value, dict):
                    yield own.value
        grid = self.given["grid"].value if "grid" in self.given else None
        for name, values in grid.items() if isinstance(grid, dict) else ():
            yield from ({name: value} for value in (values.value if isinstance(values.value, list) else ()))

    def of(self, model: str, owns: Sequence[Mapping[str, Node]], arm: Arm, point: Mapping[str, Node]) -> Recipe:
        """The recipe of an arm of a model at a point of the grid; BadStudy as of `read`. `owns`: what the study says of
        the model, behind what it says of those that it starts from.
        """
        at = (model, arm.name, selection.point_label(point))
        if at not in self.known:
            layers = [own["recipe"].mapping() for own in owns if "recipe" in own]
            self.known[at] = self.read(*layers, arm.recipe, point)
        return self.known[at]

    def eval_of(self, owns: Sequence[Mapping[str, Node]], arm: Arm) -> tuple[Node, dict[str, Node]] | None:
        """What the study, the model (as in `of`) and the arm say under eval:, the later one winning, and where the last
        of them is; None where nobody says anything.
        """
        layers = [of["recipe"].mapping() for of in (self.given, *owns) if "recipe" in of]
        said = [layer["eval"] for layer in (*layers, arm.recipe) if "eval" in layer]
        merged: dict[str, Node] = {}
        for node in said:
            merged |= node.mapping()
        return (said[-1], merged) if said else None

    def read(self, *layers: Mapping[str, Node]) -> Recipe:
        """The study's recipe, then each layer over those before it; the preset says the rest. BadStudy for what is no
        recipe.
        """
        merged = dict(self.given["recipe"].mapping()) if "recipe" in self.given else {}
        for layer in layers:
            merged |= {name: _laid(merged.get(name), node) if name == "lora" else node for name, node in layer.items()}
        if "eval" in merged:
            merged.pop("eval").mapping()  # see eval_of: no field of a recipe, as it changes no weight
        preset = strict.read(typing.Literal[*PRESETS], merged.pop("preset")) if "preset" in merged else "as_run"
        if "keep_epochs" in merged:
            raise merged["keep_epochs"].error(
                "found checkpoints of a longer run",
                "each number of epochs has a learning-rate schedule of its own, so one run is not several",
                "type grid: {epochs: [5, 7]}, or trajectory: [5] beside from: for points of one run",
            )
        return dataclasses.replace(PRESETS[preset], **overrides(Recipe, merged, self.given.get("recipe", self.root)))


def _laid(under: Node | None, over: Node) -> Node:
    """A mapping laid over the one before it, key by key; anything else takes its place."""
    if under is None or not (isinstance(under.value, dict) and isinstance(over.value, dict)):
        return over
    return Node({**under.value, **over.value}, over.file, over.line, over.path)
