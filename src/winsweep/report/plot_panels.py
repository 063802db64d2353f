"""Small figures of one arm each, on paper: win rates by group of instructions, training curves, drift."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winsweep import canvas
from winsweep.escapes import visible
from winsweep.report.looks import (
    HALF,
    LINES,
    TALLEST,
    Contents,
    compared,
    looks,
    note,
    note_height,
    placed,
    title_of,
    told_apart,
)

if TYPE_CHECKING:
    from winsweep.canvas import Axes, Figure

ROW = 0.125  # inches: of a group
TITLE, AXIS, GAP, LEAST = 0.2, 0.2, 0.14, 1.05  # inches: above a panel, below it, beside it, and of its width
SMALL = 6.0  # points


@dataclass(frozen=True)
class Panel:
    """A title, and what draws into the axes below it."""

    title: str
    draw: Callable[["Axes"], None]


@dataclass(frozen=True)
class Panels:
    """Panels of one height with common axes; `side` is what stands left of each row of them, in inches."""

    panels: Sequence[Panel]
    height: float
    side: float
    said: str
    names: Sequence[str] = ()  # of the rows within a panel, highest first
    label: str = ""  # of the axes at the left

    def columns(self, width: float) -> int:
        most = max(1, int((width - self.side + GAP) // (LEAST + GAP)))
        return min(most, len(self.panels))

    def shown(self, width: float) -> Sequence[Panel]:
        """As many as a page holds."""
        rows = max(1, int(TALLEST // (TITLE + self.height + AXIS)))
        return self.panels[: rows * self.columns(width)]

    def note(self, width: float) -> str:
        shown, num = len(self.shown(width)), len(self.panels)
        return self.said if shown == num else f"{self.said} The first {shown} of {num:,}."


def height_of(of: Panels, width: float) -> float:
    rows = -(-len(of.shown(width)) // of.columns(width))
    return rows * (TITLE + of.height + AXIS) + 0.04 + note_height(of.note(width), width)


def draw_all(figure: "Figure", of: Panels) -> None:
    width, shown = figure.get_size_inches()[0], of.shown(figure.get_size_inches()[0])
    columns = of.columns(width)
    each = (width - of.side - GAP * (columns - 1) - 0.06) / columns
    titles = told_apart([panel.title for panel in shown], each / 1.12)
    for i, (panel, title) in enumerate(zip(shown, titles)):
        row, column = divmod(i, columns)
        left, top = of.side + column * (each + GAP), row * (TITLE + of.height + AXIS) + TITLE
        axes = placed(figure, left, top, each, of.height)
        axes.set_title(title, loc="left", pad=3, weight="bold")
        axes.tick_params(labelleft=column == 0, labelsize=SMALL)
        panel.draw(axes)
        if column == 0 and of.names:
            axes.set_yticks(range(len(of.names)), told_apart([visible(n) for n in of.names], of.side - 0.1, SMALL))
        if column == 0 and of.label:
            axes.set_ylabel(of.label)
    note(figure, of.note(width))


def groups(
    found: Contents, rates: Sequence[Mapping[str, Any]], names: Sequence[str], what: str, width: float
) -> Panels:
    """A panel for each arm: plain win rate by group, with its interval."""
    look, of = looks(found), {arm["id"]: [r for r in rates if r["arm"] == arm["id"]] for arm in found["arms"]}

    def panel(arm: Mapping[str, Any]) -> Panel:
        def draw(axes: "Axes") -> None:
            _group_axes(axes, len(names))
            for rate in of[arm["id"]]:
                y, color, gid = rate["group"], look[arm["model"]].color, f"arm-{arm['id']}-group-{rate['group']}"
                axes.plot([rate["low_pct"], rate["high_pct"]], [y, y], color=color, linewidth=1, gid=f"{gid}-interval")
                mark = look[arm["model"]].mark
                axes.plot([rate["win_rate_pct"]], [y], mark, color=color, markersize=2.8, mew=0, gid=f"{gid}-win-rate")

        return Panel(title_of(found, arm), draw)

    widest = max((canvas.width_of(visible(name), SMALL) for name in names), default=0) + 0.1
    said = f"Plain win rate by {what}, %, with its 95 % interval over seeds and instructions."
    panels = [panel(arm) for arm in compared(found) if of[arm["id"]]]
    return Panels(panels, ROW * len(names), min(widest, width * 0.3), said, names)


def _group_axes(axes: "Axes", num: int) -> None:
    axes.set_xlim(-3, 103)
    axes.set_ylim(num - 0.4, -0.6)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.hlines(range(num), -3, 103, color=canvas.RULE, linewidth=0.3, zorder=0)
    axes.axvline(HALF, color=canvas.QUIET, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)


def categories(found: Contents, width: float) -> Panels:
    names = found["categories"]["names"]
    return groups(found, found["categories"]["rates"], names, "category of the instruction", width)


def lengths(found: Contents, width: float) -> Panels:
    names = [f"{a}" if a == b else f"{a:,} – {b:,}" for a, b in found["lengths"]["ranges"]]
    return groups(found, found["lengths"]["rates"], names, "length of the instruction in characters", width)


def curves(found: Contents, figure: str, width: float) -> Panels:
    """A panel for each arm that is trained: `figure` (loss or lr) by optimizer step, a line for each seed."""
    of: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for curve in found["curves"]:
        of.setdefault((curve["model"], curve["task"], curve["varying"]), []).append(curve)
    seeds = list(dict.fromkeys(str(c["seed"]) for c in found["curves"]))
    values = [v for c in found["curves"] for v in c[figure] if v is not None]
    last = max((max(c["step"]) for c in found["curves"]), default=1)
    look, several = looks(found) | {}, len({model for model, _, _ in of}) > 1

    def panel(name: tuple[str, str, str], own: Sequence[Mapping[str, Any]]) -> Panel:
        def draw(axes: "Axes") -> None:
            _curve_axes(axes, values, last)
            for curve in own:
                line = LINES[seeds.index(str(curve["seed"])) % len(LINES)]
                color = look[name[0]].color if name[0] in look else canvas.INK
                points = [math.nan if v is None else v for v in curve[figure]]
                axes.plot(
                    curve["step"], points, color=color, linewidth=0.8, linestyle=line, gid=f"curve {curve['name']}"
                )

        model = f"{name[0]} · " if several else ""
        return Panel(visible(f"{model}{name[1]} {name[2]}".strip()), draw)

    what = {"loss": "Training loss", "lr": "Learning rate"}[figure]
    kinds = ("solid", "dashed", "dotted", "dash-dotted")
    told = ", ".join(f"seed {s} {kinds[i % len(kinds)]}" for i, s in enumerate(seeds[: len(kinds)]))
    said = (
        f"{what} by optimizer step; {told}."
        if len(seeds) <= len(kinds)
        else f"{what} by optimizer step; a line a seed."
    )
    return Panels([panel(name, own) for name, own in of.items()], 0.85, 0.5, visible(said), label=what.lower())


def _curve_axes(axes: "Axes", values: Sequence[float], last: float) -> None:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low > 0 and high / low > 20:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.15, high * 1.15)
    else:
        room = 0.05 * (high - low) or 0.1
        axes.set_ylim(low - room, high + room)
        axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    axes.set_xlim(0, last * 1.02)
    axes.locator_params(axis="x", nbins=3)


def _short(value: float) -> str:
    """A number as a tick has it: 0.5, 12, 3e−4."""
    text = f"{value:.3g}"
    if 0 < abs(value) < 1e-3:
        digits, _, power = f"{value:.1e}".partition("e")
        text = f"{digits.removesuffix('.0')}e{int(power)}"
    return text.replace("-", "−")


def drift(found: Contents, width: float) -> Panels:
    """A panel for each cell whose drift was asked for: a point for each prompt."""
    every = [p for one in found["analyses"]["drift"] for p in one["points"]]
    (left, right), (low, high) = (_extent([p[i] for p in every]) for i in (0, 1))

    def panel(one: Mapping[str, Any]) -> Panel:
        def draw(axes: "Axes") -> None:
            axes.axhline(0, color=canvas.RULE, linewidth=0.5, zorder=0)
            across, up = ([p[i] for p in one["points"]] for i in (0, 1))
            axes.plot(across, up, ".", markersize=2.5, mew=0, alpha=0.6, gid=f"drift {one['cell']}")
            axes.set_xlim(left, right)
            axes.set_ylim(low, high)

        return Panel(visible(one["cell"]), draw)

    said = (
        "Across: similarity of the prompt to the task's. Up: likeness of the output to the task over general responses."
    )
    return Panels([panel(one) for one in found["analyses"]["drift"]], 1.1, 0.5, said)


def _extent(values: Sequence[float]) -> tuple[float, float]:
    low, high = min([*values, 0.0]), max([*values, 0.0])
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room
