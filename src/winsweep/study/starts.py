"""Which cell of the study a model starts from: `from: MODEL.ARM`, in the words of cells' labels."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study import selection
from winsweep.study.arms import Arm
from winsweep.study.cell import Model

Point = Mapping[str, Node]  # a point of the grid: recipe fields by name
Name = tuple[str, str, int | None, Point | None]  # model, arm, seed and point of a cell
EPOCH = re.compile(r"@epoch(\d+)of(\d+)")


@dataclass(frozen=True)
class ModelEntry:
    """A model of a study and what the study says of it; `model` is None where it starts from a cell."""

    name: str
    model: Model | None
    own: Mapping[str, Node]


@dataclass(frozen=True)
class Start:
    """The trained cell that a model starts from; a seed or a point of the grid that it does not name is that of the
    cell that goes on from it.
    """

    model: str
    arm: str
    seed: int | None
    point: Point | None
    epoch: tuple[int, int] | None  # of a trajectory: after this one of so many
    at: Node  # where the study says so


def read_starts(
    entries: Sequence[ModelEntry], arms: Mapping[str, Arm], points: Sequence[Point], seeds: Sequence[int]
) -> dict[str, Start]:
    """The start of each model that has one, by the model's name; BadStudy with everything that is wrong with them: no
    such cell, one that trains nothing, a circle.
    """
    seen = strict.Findings()
    names = _names(entries, arms, points, seeds)
    found: dict[str, Start] = {}
    for name, node in ((e.name, e.own["from"]) for e in entries if e.model is None):
        if start := seen.of(_start, name, node, names, arms):
            found[name] = start
    for name in found:
        seen.of(_refuse_circle, name, found)
    seen.stop()
    return found


def _names(
    entries: Sequence[ModelEntry], arms: Mapping[str, Arm], points: Sequence[Point], seeds: Sequence[int]
) -> dict[str, list[Name]]:
    """What may be called so: MODEL.ARM, with a seed, with a point, with both; where names have dots, several cells."""
    fitting = [(e.name, a.name) for e in entries for a in arms.values() if a.fits(e.name)]
    at_points: list[tuple[str, Point | None]] = [("", None)]
    at_points += [(label, point) for point in points if (label := selection.point_label(point))]
    at_seeds: list[tuple[str, int | None]] = [("", None), *((f".s{seed}", seed) for seed in seeds)]
    found: dict[str, list[Name]] = {}
    for of_point, point in at_points:
        for of_seed, seed in at_seeds:
            for model, arm in fitting:
                found.setdefault(f"{model}.{arm}{of_seed}{of_point}", []).append((model, arm, seed, point))
    return found


def _start(model: str, node: Node, names: Mapping[str, Sequence[Name]], arms: Mapping[str, Arm]) -> Start:
    said: str = strict.read(str, node)
    epoch = EPOCH.search(said)
    cells = names.get(said[: epoch.start()] if epoch and epoch.end() == len(said) else said, ())
    others = [name for name, (of, *_) in names.items() if of[0] != model and arms[of[1]].section == "tasks"]
    if not cells:
        raise node.error(f"no cell {quoted(said)} to start from", _legal(said, others))
    below, arm, seed, point = cells[0]
    if len(cells) > 1:
        what = " or ".join(f"the arm {a} of {m}" for m, a, _, _ in cells)
        raise node.error(
            f"found {said}, which may be {what}", "a name of one cell is legal", "rename one of them, without the dot"
        )
    if arms[arm].of:
        raise node.error(
            f"found {said}, an adapter, whose rules are no part of a model",
            "a cell of a task is legal",
            f"type {said.replace(f'{below}.{arm}', f'{below}.{arms[arm].of}', 1)}",
        )
    if not arms[arm].task:
        raise node.error(
            f"found {said}, which trains nothing", f"a cell that is trained is legal, such as {next(iter(others), '-')}"
        )
    return Start(below, arm, seed, point, (int(epoch[1]), int(epoch[2])) if epoch else None, node)


def _legal(said: str, others: Collection[str]) -> str:
    if not others:
        return (
            "a trained cell of another model is legal, and there is none; add a model with hf_id:, path: or pretrain:"
        )
    return strict.near(said, others)


def _refuse_circle(name: str, starts: Mapping[str, Start]) -> None:
    passed = [name]
    while (below := starts[passed[-1]].model) in starts:
        if below == name:
            raise starts[name].at.error(
                f"found a circle of starts: {' from '.join([*passed, name])}",
                "a model that comes from hf_id:, path: or pretrain: is legal at the end",
                "name a cell of another model",
            )
        if below in passed:  # said where it is
            return
        passed.append(below)
