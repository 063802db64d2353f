"""Which arms differ, on paper: for each model a triangle of differences at equal length, with what Holm's correction
leaves of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from winsweep import canvas
from winsweep.escapes import visible
from winsweep.report.looks import TALLEST, Contents, note, note_height, number, placed, told_apart

if TYPE_CHECKING:
    from winsweep.canvas import Axes, Figure

LEVEL = 0.05
HALF = "50 %"
MORE, LESS, PLAIN = "#b9d7ee", "#f7cfae", "#ffffff"
CELL, TEXT = 0.42, 0.27  # inches: of a cell at most, and at least where it has a figure
LETTERS = 6.5  # points
MOST, MOST_MODELS = 40, 6  # arms of a model, and models
Key = tuple[str, str]


@dataclass(frozen=True)
class Triangle:
    """A model's arms, and its rows of differences.csv by arm and what it is held against."""

    model: str
    arms: Sequence[str]
    rows: Mapping[Key, Mapping[str, Any]]

    def cell(self, of: str, against: str) -> tuple[float, float] | None:
        """Difference in points and Holm's p, of a row less a column; None where these were not compared."""
        sign, row = (1, self.rows[of, against]) if (of, against) in self.rows else (-1, self.rows.get((against, of)))
        return (sign * float(row["difference_pct"]), float(row["p_holm"])) if row else None


def triangles(found: Contents) -> list[Triangle]:
    """Of each model that has rows."""
    made = []
    for model in list(dict.fromkeys(row["model"] for row in found["differences"]))[:MOST_MODELS]:
        rows = {(r["arm"], r["against"]): r for r in found["differences"] if r["model"] == model}
        made.append(Triangle(model, [arm for arm, against in rows if against == "parity"][:MOST], rows))
    return made


@dataclass(frozen=True)
class Layout:
    """Where triangles lie, in inches: how many beside each other, and what each takes."""

    columns: int
    each: float  # a cell
    names: float  # left of it
    heads: float  # what the names of columns take above and to the right
    width: float  # of a triangle with all that

    def top(self, is_named: bool) -> float:
        return max(0.32, self.heads - self.each) + (0.2 if is_named else 0)


def layout(of: Sequence[Triangle], width: float) -> Layout:
    """As many beside each other as leave room for figures in the cells, or else as make the cells largest."""
    found = [_lower(of, _beside(of, width, n)) for n in range(max(1, min(len(of), int(width // 3.2))), 0, -1)]
    return max(found, key=lambda at: min(at.each, TEXT))


def _beside(of: Sequence[Triangle], width: float, columns: int) -> Layout:
    own = width / columns
    wide = max((canvas.width_of(visible(arm), LETTERS) for t in of for arm in t.arms), default=0)
    names, heads = min(wide + 0.12, own * 0.3), min(wide, own * 0.25) * 0.71 + 0.08
    each = (own - names - heads) / (max(len(t.arms) for t in of) - 0.5)
    return Layout(columns, min(CELL, each), names, heads, own)


def _lower(of: Sequence[Triangle], at: Layout) -> Layout:
    """The same with cells so small that all of it stands on a page."""
    tall = sum(_heights(of, at))
    cells = at.each * sum(max(len(t.arms) for t in row) for row in _rows(of, at))
    room = max(0.2, TALLEST - (tall - cells))
    return at if tall <= TALLEST else replace(at, each=at.each * room / cells)


def height(found: Contents, width: float) -> float:
    of = triangles(found)
    at = layout(of, width)
    return sum(_heights(of, at)) + note_height(_note(found, at), width)


def draw(figure: "Figure", found: Contents) -> None:
    of, width, top = triangles(found), figure.get_size_inches()[0], 0.0
    at = layout(of, width)
    for row, down in enumerate(_heights(of, at)):
        for column, triangle in enumerate(of[row * at.columns : (row + 1) * at.columns]):
            length = at.each * len(triangle.arms)
            left = column * at.width + at.names
            axes = placed(figure, left, top + at.top(len(of) > 1), length, length)
            _triangle(axes, triangle, at, len(of) > 1)
        top += down
    note(figure, _note(found, at))


def _rows(of: Sequence[Triangle], at: Layout) -> list[Sequence[Triangle]]:
    return [of[i : i + at.columns] for i in range(0, len(of), at.columns)]


def _heights(of: Sequence[Triangle], at: Layout) -> list[float]:
    return [at.top(len(of) > 1) + at.each * max(len(t.arms) for t in row) + 0.12 for row in _rows(of, at)]


def _note(found: Contents, at: Layout) -> str:
    num = sum(row["against"] == "parity" for row in found["differences"])
    shown = sum(len(t.arms) for t in triangles(found))
    where = " ".join(["", found["control"]["where"]]) if found["control"]["where"] else ""
    signs = "" if at.each >= TEXT else "; + and −: its sign"
    return (
        f"Row less column, in points{where}. Filled and bold: told apart (Holm's p < {LEVEL}){signs}. "
        f"·: not on the same instructions.{f' {shown} of {num:,} arms are shown.' if shown < num else ''}"
    )


def _triangle(axes: "Axes", of: Triangle, at: Layout, is_named: bool) -> None:
    each, columns, num = at.each, ["parity", *of.arms[:-1]], len(of.arms)
    axes.set_xlim(-0.5, num - 0.5)
    axes.set_ylim(num - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    for edge in axes.spines.values():
        edge.set_visible(False)
    for y, arm in enumerate(of.arms):
        for x, against in enumerate(columns[: y + 1]):
            _cell(axes, x, y, of.cell(arm, against), each, f"{arm} | {against}")
    points = min(LETTERS, each * 50)
    for y, text in enumerate(told_apart([visible(arm) for arm in of.arms], at.names - 0.1, points)):
        axes.text(-0.5 - 0.05 / each, y, text, ha="right", va="center_baseline", size=points)
    heads = [HALF, *(visible(arm) for arm in columns[1:])]
    for x, text in enumerate(told_apart(heads, (at.heads - 0.08) / 0.71, points)):
        place: dict[str, Any] = {"ha": "left", "va": "bottom", "rotation": 45, "rotation_mode": "anchor"}
        axes.text(x, x - 0.5 - 0.06 / each, text, size=points, **place)
    if is_named:
        title = canvas.fitted(visible(of.model), (at.width - 0.1) / 1.1)
        axes.text(-0.5 - (at.names - 0.05) / each, -0.5 - (at.top(True) - 0.04) / each, title, weight="bold", va="top")


def _cell(axes: "Axes", x: int, y: int, told: tuple[float, float] | None, each: float, name: str) -> None:
    if told is None:
        axes.text(x, y, "·", ha="center", va="center", color=canvas.QUIET)
        return
    value, p = told
    is_apart = p < LEVEL
    fill = (MORE if value > 0 else LESS) if is_apart else PLAIN
    corners_x, corners_y = [x - 0.47, x + 0.47, x + 0.47, x - 0.47], [y - 0.47, y - 0.47, y + 0.47, y + 0.47]
    axes.fill(corners_x, corners_y, facecolor=fill, edgecolor=canvas.RULE, linewidth=0.35)
    text = f"{'+' if value > 0 else ''}{number(value)}" if each >= TEXT else "+−"[value < 0] if is_apart else ""
    size = min(6.3, each * 17 if each >= TEXT else each * 45)
    weight, color = ("bold", canvas.INK) if is_apart else ("normal", canvas.QUIET)
    place: dict[str, Any] = {"ha": "center", "va": "center_baseline"}
    axes.text(x, y, text, size=size, weight=weight, color=color, gid=f"difference {name}", **place)
