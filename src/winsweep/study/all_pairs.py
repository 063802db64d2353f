"""Which arms are compared with each other, beside what each is compared with: `compare: {all_pairs: …}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from winsweep import strict
from winsweep.amounts import plural
from winsweep.strict import Node
from winsweep.study.analysis import Analysis
from winsweep.study.cell import Cell, Comparison, Generation, LocalFile

Scope = Literal["arms", "models"]


@dataclass(frozen=True)
class Pair:
    """Two cells of one seed and one point of the grid, and the comparison that says which is better: its candidate is
    the first's outputs, its reference the second's.
    """

    first: Cell
    second: Cell
    comparison: Comparison


def read(compare: Mapping[str, Node]) -> Scope | None:
    """Whether arms are compared with each other within each model, or across models, too; BadStudy."""
    node = compare.get("all_pairs")
    if node is None or node.value is False:
        return None
    if node.value is True:
        return "arms"
    if node.value != "models":
        raise node.error(
            f"found {strict.show(node.value)}",
            "true (arms of each model with each other), models (of different models, too) and false are legal",
        )
    return "models"


def pairs(cells: Sequence[Cell], scope: Scope, at: Node) -> tuple[Pair, ...]:
    """All pairs of cells of a seed and a point of the grid; what a cell is compared with anyway is not asked again.
    BadStudy where there is none.
    """
    groups: dict[tuple, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.model if scope == "arms" else "", cell.seed, cell.varying), []).append(cell)
    known: dict[tuple[Generation, Generation | LocalFile], Comparison] = {}
    for cell in cells:
        known.setdefault((cell.comparison.candidate, cell.comparison.reference), cell.comparison)
    found = [pair for of in groups.values() for a, b in combinations(of, 2) if (pair := _pair(a, b, known))]
    if not found:
        num = len({(cell.model, cell.task) for cell in cells})
        raise at.error(
            f"found {plural(num, 'arm')}, and none that another of its model and seed could meet",
            "two arms with different outputs or more are legal",
            "add an arm, type all_pairs: models to compare those of different models, or take all_pairs out",
        )
    return tuple(found)


def analyses(found: Sequence[Pair], cells: Sequence[Cell]) -> dict[str, Analysis]:
    """The comparisons that no cell asks for, by label, each beside the cell that is its candidate."""
    of_cells = {cell.comparison for cell in cells}
    extra = {pair.comparison: pair for pair in found if pair.comparison not in of_cells}
    return {f"judge.{c.name}": Analysis("judge", pair.first, c) for c, pair in extra.items()}


def _pair(a: Cell, b: Cell, known: dict) -> Pair | None:
    ours, theirs = a.comparison.candidate, b.comparison.candidate
    if ours == theirs:
        return None
    if turned := known.get((theirs, ours)):
        return Pair(b, a, turned)
    other = b.task if a.model == b.model else f"{b.model}.{b.task}"
    new = replace(a.comparison, name=f"{a.label}.against.{other}", reference=theirs)
    return Pair(a, b, known.setdefault((ours, theirs), new))
