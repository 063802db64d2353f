"""Which validation runs an arm has, and how the best of them decides the recipe of its test runs."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study.arms import overrides, refuse_same
from winsweep.study.cell import Choice, Comparison, Decoding, Generation, Judge, LocalFile, Model, Source, Training
from winsweep.study.recipe import Recipe
from winsweep.study.rules import Adapter
from winsweep.study.sections import MOST_CELLS, Choose

VALIDATION = ("grid", "instructions", "reference")  # what validation runs need


@dataclass(frozen=True)
class Selection:
    """The section choose: of a study. `picks`: what a person decided for a family (MODEL.ARM), which then has no
    validation runs.

    Where every family is picked, `points` may be empty, and `instructions` and `reference` None.
    """

    points: tuple[Mapping[str, Any], ...]  # fields of the recipe
    seed: int
    instructions: Source | None
    reference: LocalFile | None
    judge: Judge
    by: Literal["lc_win_rate", "win_rate"]
    picks: Mapping[str, Mapping[str, Any]]  # fields of the recipe

    def of(self, training: Training, family: str, decoding: Decoding, start: Model) -> Training:
        """`training` with what was picked for its family, or with the choice that will be; `start` is its model at the
        seed of the validation runs.
        """
        if family in self.picks:
            return dataclasses.replace(training, recipe=dataclasses.replace(training.recipe, **self.picks[family]))
        like = dataclasses.replace(training, model=start)
        runs = tuple(self._run(like, f"{family}.val{point_label(p)}", p, decoding) for p in self.points)
        # whatever the study says of these fields decides nothing
        first = dataclasses.replace(training.recipe, **self.points[0])
        return dataclasses.replace(training, recipe=first, choice=Choice(family, self.by, tuple(self.points[0]), runs))

    def _run(self, training: Training, label: str, point: Mapping[str, Any], decoding: Decoding) -> Comparison:
        tried = dataclasses.replace(
            training, name=label, seed=self.seed, recipe=dataclasses.replace(training.recipe, **point)
        )
        return Comparison(
            label,
            Generation(label, tried, Adapter(), decoding, training.frame, strict.present(self.instructions)),
            strict.present(self.reference),
            self.judge,
        )


def read_selection(
    node: Node,
    families: Sequence[str],
    judge: Judge,
    source: Callable[[Node], Source],
    judge_of: Callable[[Node], Judge],
    local: Callable[[Node], LocalFile],
) -> Selection:
    """The section choose: of a study with these families; BadStudy says all that is missing or wrong. `judge` is the
    study's, for one that names none.
    """
    given, seen = node.mapping(), strict.Findings()
    seen.of(strict.refuse_unknown, given, strict.keys(Choose), node)
    picks = (seen.of(read_picks, given["picks"], families) or {}) if "picks" in given else {}
    unpicked = [family for family in families if family not in picks]
    for name in VALIDATION if unpicked or any(name in given for name in VALIDATION) else ():
        if name not in given:
            legal = "choose: wants grid, instructions and reference, or picks: for every family"
            some = f"; {len(unpicked)} have none, such as {unpicked[0]}" if unpicked else ""
            seen.found.append(str(node.error(f"{name} is missing", f"{legal}{some}", f"add {name}:")))
    grid = seen.of(strict.not_empty, given["grid"], "type {epochs: [5, 7]}") if "grid" in given else None
    tried = [seen.of(overrides, Recipe, point, grid) for point in (seen.of(points, grid) or [])] if grid else []
    seen.of(_refuse_adapters, grid)
    instructions = seen.of(source, given["instructions"]) if "instructions" in given else None
    reference = seen.of(lambda: local(outputs_of(given["reference"]))) if "reference" in given else None
    own_judge = seen.of(judge_of, given["judge"]) if "judge" in given else judge
    by: Literal["lc_win_rate", "win_rate"] | None = seen.of(strict.option, Choose, "by", given)
    seed: int | None = seen.of(strict.option, Choose, "seed", given)
    seen.stop()
    return Selection(
        tuple(strict.present(point) for point in tried),
        strict.present(seed),
        instructions,
        reference,
        strict.present(own_judge),
        strict.present(by),
        picks,
    )


def _refuse_adapters(grid: Node | None) -> None:
    if grid and "lora" in grid.mapping():
        raise grid.mapping()["lora"].error(
            "found adapters to choose from",
            "a choice is between values of other fields of the recipe",
            "type grid: {lora: […]} at the top of the study, and compare",
        )


def read_picks(node: Node, families: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a person decided for families that there are."""
    seen = strict.Findings()
    picks = {family: seen.of(_pick, of) for family, of in node.mapping().items()}
    seen.found += [
        str(node.error(f"no family {quoted(wrong)}", strict.near(wrong, families)))
        for wrong in picks
        if wrong not in families
    ]
    seen.stop()
    return {family: strict.present(pick) for family, pick in picks.items()}


def _pick(node: Node) -> dict[str, Any]:
    return overrides(Recipe, node.mapping(), node)


def outputs_of(node: Node) -> Node:
    """The file in {outputs: FILE}; BadStudy for anything else."""
    given = node.mapping()
    if set(given) != {"outputs"}:
        raise node.error(
            "no file of outputs", "validation runs are compared with given outputs", "type {outputs: FILE}"
        )
    return given["outputs"]


def points(node: Node | None, most: int = MOST_CELLS) -> list[dict[str, Node]]:
    """Every combination of the listed recipe values; one empty point where there is no grid. BadStudy for more than
    `most`.
    """
    given = node.mapping() if node else {}
    if node:
        strict.refuse_unknown(given, ["preset", *(f.name for f in dataclasses.fields(Recipe))], node)
    for values in given.values():
        strict.not_empty(values, "list values, or take the key out")
        refuse_same([v.plain() for v in strict.items(values)], values, "value")
    num = math.prod(len(strict.items(values)) for values in given.values())
    if node and num > most:
        raise node.error(f"found {num:,} combinations", f"{most:,} are legal", "take values out, or raise max_cells:")
    return [
        dict(zip(given, point, strict=True)) for point in itertools.product(*(strict.items(v) for v in given.values()))
    ]


def point_label(point: Mapping[str, object]) -> str:
    """How the values of a point are told apart in a label."""
    return "".join(f".{name}{_label(value)}" for name, value in point.items())


def _label(value: object) -> str:
    if isinstance(value, Node) and (value.value is None or isinstance(value.value, dict)):
        return "-" + str(varying(value)).replace(", ", "-").replace(" ", "")
    return str(value.value if isinstance(value, Node) else value)


def varying(node: Node) -> object:
    """The value of a recipe field at a point of the grid as a table shows it: text where it is no single value."""
    if isinstance(node.value, dict):
        return ", ".join(f"{name} {varying(of)}" for name, of in node.value.items()) or "defaults"
    if isinstance(node.value, list):
        return " ".join(str(varying(of)) for of in node.value)
    return "none" if node.value is None else node.value
