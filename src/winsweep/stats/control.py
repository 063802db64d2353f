"""What a study's headline win rate is controlled for: the columns of each control, and how a sentence names it."""

from types import MappingProxyType
from typing import Literal, NamedTuple

Control = Literal["length", "style", "none"]


class Figure(NamedTuple):
    """The columns of a win rate with its 95 % interval, and what it is in words: the short ones stand in sentences."""

    rate: str
    error: str
    low: str
    high: str
    where: str  # behind "wins … of its comparisons"; empty for the plain one
    head: str  # of a column that holds it
    name: str


def _figure(prefix: str, where: str, head: str, name: str) -> Figure:
    rate, error, low, high = (f"{prefix}{end}_pct" for end in ("win_rate", "standard_error", "low", "high"))
    return Figure(rate, error, low, high, where, head, name)


FIGURES: MappingProxyType[Control, Figure] = MappingProxyType(
    {
        "length": _figure("paired_", "at equal length", "paired %", "length control"),
        "style": _figure("style_", "at equal length and Markdown", "style %", "style control"),
        "none": _figure("", "", "win %", "no control"),
    }
)


def control_of(text: str | None) -> Control:
    """What the column control of a table says; tables of before have none and are controlled for length."""
    return next((control for control in FIGURES if control == text), "length")
