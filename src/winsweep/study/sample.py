"""Some rows of a source, drawn by chance and always the same."""

from dataclasses import dataclass
from typing import Literal

from winsweep.strict import number


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows of a source that are drawn by chance. The same seed always draws the same rows."""

    rows: int = number(1, 1)  #: how many rows are drawn
    seed: int = number(0, 0)  #: seed of the draw
    keep: Literal["sample", "rest"] = "sample"  #: the rows that are drawn, or all the others
