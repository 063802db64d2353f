"""What a study's headline win rate is controlled for: the columns of each control, its words, and what it changes."""

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Control = Literal["length", "style", "none"]
SEEN = 0.1  # points below which nothing is said to move


class Figure(NamedTuple):
    """The columns of a win rate with its 95 % interval and its formula, which is raw where it is the plain win rate;
    and what it is in words: the short ones stand in sentences.
    """

    rate: str
    error: str
    low: str
    high: str
    formula: str
    where: str  # behind "wins … of its comparisons"; empty for the plain one
    head: str  # of a column that holds it
    name: str


def _figure(prefix: str, where: str, head: str, name: str) -> Figure:
    rate, error, low, high = (f"{prefix}{end}_pct" for end in ("win_rate", "standard_error", "low", "high"))
    return Figure(rate, error, low, high, f"{prefix}formula", where, head, name)


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


class Moved(NamedTuple):
    """An arm's win rate before and after a control, in percent."""

    model: str
    name: str
    before: float
    after: float


def changes(arms: Sequence[Mapping[str, Any]], control: Control) -> list[str]:
    """A sentence on what length control changes in the plain win rates, and one on what style control changes in those
    at equal length; "would" for what is not in the headline of `control`.

    `arms` have model, name and the columns of FIGURES as numbers or None; those compared with themselves are not among
    them. What would change nothing is not said.
    """
    steps: tuple[tuple[Control, Control, bool], ...] = (
        ("none", "length", control != "none"),
        ("length", "style", control == "style"),
    )
    said = []
    for before, after, is_done in steps:
        rates = [(arm, arm.get(FIGURES[before].rate), arm.get(FIGURES[after].rate)) for arm in arms]
        moved = [Moved(arm["model"], arm["name"], a, b) for arm, a, b in rates if a is not None and b is not None]
        if moved and (is_done or max(abs(arm.after - arm.before) for arm in moved) >= SEEN):
            said.append(_sentence(moved, FIGURES[after].name.capitalize(), is_done))
    return said


def _sentence(moved: Sequence[Moved], what: str, is_done: bool) -> str:
    would = "" if is_done else "would "
    most = max(moved, key=lambda arm: abs(arm.after - arm.before))
    if abs(most.after - most.before) < SEEN:
        return f"{what} {would}move{'s' * is_done} no win rate by {SEEN:.1f} points."
    of = f", the most of {len(moved):,} arms" if len(moved) > 1 else ""
    by = f"{most.after - most.before:+.1f}".replace("-", "−")
    return (
        f"{what} {would}move{'s' * is_done} {most.name} of {most.model} by {by} points{of}{_swapped(moved, is_done)}."
    )


def _swapped(moved: Sequence[Moved], is_done: bool) -> str:
    """Which arms of a model change places."""
    s = "s" * is_done
    pairs = [
        (a, b)
        for a, b in itertools.combinations(sorted(moved, key=lambda arm: -arm.before), 2)
        if a.model == b.model and a.before > b.before and a.after < b.after
    ]
    if not pairs:
        return f", and keep{s} their order" if len(moved) > 1 else ""
    a, b = max(pairs, key=lambda pair: pair[1].after - pair[0].after)
    named = f"{a.name} and {b.name} of {a.model}"
    return f", and swap{s} the ranks of {named if len(pairs) == 1 else f'{len(pairs):,} pairs, such as {named}'}"
