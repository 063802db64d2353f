"""What the CSV of a study is made from: its cells, and how their rows are worked out."""

from dataclasses import dataclass, replace
from typing import Literal

from winsweep.study.cell import Cell, LocalFile

Control = Literal["length", "style", "none"]


@dataclass(frozen=True)
class Table:
    """The rows of one CSV."""

    name: str
    cells: tuple[Cell, ...]
    difficulty: LocalFile | None = None  # AlpacaEval's table for its 805 instructions
    published: tuple[tuple[str, float, float], ...] = ()  # MODEL.ARM, mean and standard deviation in percent
    control: Control = "length"  # of the win rate that is tested and shown first
    bootstrap: int | None = None  # draws of instructions and seeds
    # what the judge's card says of its errors, by name; nothing without a card that has people's votes
    calibration: tuple[tuple[str, float], ...] = ()

    def only(self, cells: tuple[Cell, ...]) -> "Table":
        """The table of some of its cells."""
        return replace(self, cells=cells)
