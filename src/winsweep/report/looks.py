"""How arms and models look on paper: colors that differ to all eyes and in grey, marks that differ without color; and
where axes lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from winsweep import canvas
from winsweep.escapes import visible

if TYPE_CHECKING:
    from winsweep.canvas import Axes, Figure

COLORS = ("#0072b2", "#c8500a", "#00805d", "#a64d79", "#7a6a00", "#5a4fa2")  # as on the page
MARKS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", (0, (4, 1.6)), (0, (1, 1.2)), (0, (5, 1.4, 1, 1.4)))
REFERENCE = "#7b838d"
HALF = 50.0
SMALL = 6.0  # points, of notes
TALLEST = 9.0  # inches: of a page's text
Contents = Mapping[str, Any]
Arm = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """Color and mark of a model."""

    color: str
    mark: str


def looks(found: Contents) -> dict[str, Look]:
    """Of each model, in the order of the study."""
    models = dict.fromkeys(arm["model"] for arm in found["arms"])
    return {m: Look(COLORS[i % len(COLORS)], MARKS[i % len(MARKS)]) for i, m in enumerate(models)}


def compared(found: Contents) -> list[Arm]:
    """The arms that are compared with something other than themselves."""
    return [arm for arm in found["arms"] if not arm["is_reference"]]


def title_of(found: Contents, arm: Arm) -> str:
    """An arm by its name, with its model where there are several."""
    several = len({a["model"] for a in found["arms"]}) > 1
    return visible(f"{arm['model']} · {arm['name']}" if several else arm["name"])


def told_apart(names: Sequence[str], inches: float, points: float = canvas.POINTS) -> list[str]:
    """The names as they fit; of those that do not, what most have in common goes first."""
    long = [name for name in names if canvas.width_of(name, points) > inches]
    before, after = len(commonprefix(long)), len(commonprefix([name[::-1] for name in long]))
    if len(set(long)) < 2:
        before = after = 0
    return [canvas.fitted(_without(name, before, after) if name in long else name, inches, points) for name in names]


def _without(name: str, before: int, after: int) -> str:
    """A name without its first and last letters, back to where a word begins and ends."""
    first = name.rfind(" ", 0, before) + 1
    last = name.find(" ", len(name) - after)
    last = len(name) if last < 0 or after == 0 else last
    return f"{'…' if first else ''}{name[first:last]}{'…' if last < len(name) else ''}"


def placed(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    """Axes whose place is given in inches from the upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def width_of_axes(axes: "Axes") -> float:
    """In inches."""
    figure = axes.get_figure(root=True)
    return float(axes.get_position().width * figure.get_size_inches()[0]) if figure else 0.0


def note(figure: "Figure", text: str) -> None:
    """Small print at the lower edge, in as many lines as it takes."""
    across, down = figure.get_size_inches()
    lines = wrapped(text, across - 0.16, SMALL)
    figure.text(0.04 / across, 0.03 / down, "\n".join(lines), size=SMALL, color=canvas.QUIET, linespacing=1.25)


def note_height(text: str, width: float) -> float:
    """The room that a note takes, in inches."""
    return 0.06 + 0.11 * len(wrapped(text, width - 0.16, SMALL))


def wrapped(text: str, inches: float, points: float) -> list[str]:
    """The words in lines that fit; a word that does not is shortened."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or canvas.width_of(longer, points) <= inches:
            lines[-1] = canvas.fitted(longer, inches, points)
        else:
            lines.append(canvas.fitted(word, inches, points))
    return lines


def percent_range(values: Sequence[float | None]) -> tuple[float, float]:
    """A range of percents that has all values and the half, with some room."""
    there = [v for v in values if v is not None] + [HALF]
    low, high = min(there), max(there)
    room = max(1.0, 0.04 * (high - low))
    return low - room, high + room


def number(value: float | None, digits: int = 1) -> str:
    """A figure with a minus that is one; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")
