"""The forest plot on paper: each arm's win rate at equal length with its 95 % interval, its seeds, LC, and what others
published.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from winsweep import canvas
from winsweep.escapes import visible
from winsweep.report.looks import (
    HALF,
    REFERENCE,
    TALLEST,
    Arm,
    Contents,
    Look,
    looks,
    number,
    percent_range,
    placed,
    told_apart,
    width_of_axes,
)

if TYPE_CHECKING:
    from winsweep.canvas import Axes, Figure

ROW, TOP, BOTTOM = 0.175, 0.2, 0.55  # inches: of an arm, above the first, below the last
WIDE = 5.0  # from here on, the figures stand beside
OTHER = 0.05  # points from which LC is another figure
Row = Arm | str  # an arm, or the model whose arms follow


def height(found: Contents, width: float) -> float:
    rows, note = rows_of(found)
    more = 0.13 * (-(-len(_kinds(rows)) // _ncols(rows, width)) - 1) + (0.12 if note else 0)
    return TOP + ROW * len(rows) + BOTTOM + more


def rows_of(found: Contents) -> tuple[list[Row], str]:
    """Arms below their models, as many as a page holds, and what is to be said of those that are left out."""
    arms, most = found["arms"], int((TALLEST - TOP - BOTTOM) / ROW)
    models = list(dict.fromkeys(arm["model"] for arm in arms))
    rows: list[Row] = []
    for model in models:
        rows += [model] if len(models) > 1 else []
        rows += [arm for arm in arms if arm["model"] == model]
    if len(rows) <= most:
        return rows, ""
    shown = rows[:most] if not isinstance(rows[most - 1], str) else rows[: most - 1]
    num = sum(not isinstance(row, str) for row in shown)
    return shown, f"the first {num} of {len(arms):,} arms"


def draw(figure: "Figure", found: Contents) -> None:
    rows, left_out = rows_of(found)
    width = figure.get_size_inches()[0]
    widest = max((canvas.width_of(visible(_name(row))) for row in rows), default=0) + 0.12
    left, right = min(widest, width * (0.36 if width < WIDE else 0.34)) + 0.06, 1.62 if width >= WIDE else 0.42
    axes = placed(figure, left, TOP, width - left - right, ROW * len(rows))
    _dress(axes, found, rows)
    look = looks(found)
    names = told_apart([visible(row["name"]) for row in rows if not isinstance(row, str)], left - 0.14)
    left_names = iter(names)
    for y, row in enumerate(rows):
        _label(axes, row, y, visible(row) if isinstance(row, str) else next(left_names), left - 0.1, look)
        if not isinstance(row, str):
            _arm(axes, row, y, look[row["model"]])
            _figures(axes, row, y, right)
    _heads(axes, right)
    axes.set_xlabel(canvas.fitted(visible(f"{found['control']['label']} against {found['reference']}, %"), width - 0.2))
    axes.xaxis.set_label_coords((width / 2 - left) / (width - left - right), -0.2 / (ROW * len(rows)))
    _key(
        axes,
        rows,
        (width / 2 - left) / (width - left - right),
        -0.31 / (ROW * len(rows)),
        left_out,
        _ncols(rows, width),
    )


def _name(row: Row) -> str:
    return row if isinstance(row, str) else f"  {row['name']}"


def _dress(axes: "Axes", found: Contents, rows: Sequence[Row]) -> None:
    arms = [row for row in rows if not isinstance(row, str)]
    ends = [arm[f"headline{end}_pct"] for arm in arms for end in ("_low", "", "_high")]
    others = [v for arm in arms for v in (arm["lc_win_rate_pct"] if has_other_lc(arm) else None, _published(arm))]
    axes.set_xlim(*percent_range([*ends, *others]))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x", color=canvas.RULE, linewidth=0.35, alpha=0.6)
    axes.set_axisbelow(True)
    axes.axvline(HALF, color=canvas.QUIET, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)


def _label(axes: "Axes", row: Row, y: int, text: str, room: float, look: dict[str, Look]) -> None:
    """The name left of a row; that of a model behind its mark."""
    at = axes.get_yaxis_transform()
    inches = width_of_axes(axes)
    start, is_model = -room - 0.06, isinstance(row, str)
    weight, text = ("bold", canvas.fitted(text, (room - 0.3) / 1.1)) if is_model else ("normal", text)
    axes.text((start + 0.14 * is_model) / inches, y, text, transform=at, va="center_baseline", weight=weight)
    if isinstance(row, str):
        mark = look[row]
        place: dict[str, Any] = {"transform": at, "clip_on": False}
        axes.plot([(start + 0.04) / inches], [y], mark.mark, color=mark.color, markersize=3.6, **place)


def _arm(axes: "Axes", arm: Arm, y: int, look: Look) -> None:
    color, gid = REFERENCE if arm["is_reference"] else look.color, f"arm-{arm['id']}"
    value, low, high = (arm[f"headline{k}_pct"] for k in ("", "_low", "_high"))
    if low is not None and high is not None:
        axes.plot(
            [low, high], [y, y], color=color, linewidth=1.3, solid_capstyle="butt", zorder=2, gid=f"{gid}-interval"
        )
    seeds = [s["headline_pct"] for s in arm["seeds"] if s["headline_pct"] is not None]
    if len(arm["seeds"]) > 1:
        axes.plot(seeds, [y + 0.3] * len(seeds), ".", color=color, markersize=2.6, mew=0, zorder=3, gid=f"{gid}-seeds")
    if value is not None:
        fill = "white" if arm["is_reference"] else color
        axes.plot(
            [value], [y], look.mark, color=color, mfc=fill, markersize=3.8, mew=0.8, zorder=4, gid=f"{gid}-win-rate"
        )
    if has_other_lc(arm):
        lc = arm["lc_win_rate_pct"]
        axes.plot([lc], [y], "d", color=canvas.INK, mfc="white", markersize=3.6, mew=0.6, zorder=5, gid=f"{gid}-lc")
    if (theirs := _published(arm)) is not None:
        axes.plot(
            [theirs], [y - 0.28], "x", color=canvas.INK, markersize=3.0, mew=0.7, zorder=5, gid=f"{gid}-published"
        )


def _figures(axes: "Axes", arm: Arm, y: int, right: float) -> None:
    low, high = arm["headline_low_pct"], arm["headline_high_pct"]
    told = "reference" if arm["is_reference"] else f"[{number(low)}, {number(high)}]" if low is not None else ""
    _beside(axes, y, right, number(arm["headline_pct"]), told, number(arm["lc_win_rate_pct"]))


def _heads(axes: "Axes", right: float) -> None:
    _beside(axes, -0.9, right, "win %", "95 % interval", "LC", color=canvas.QUIET)


def _beside(axes: "Axes", y: float, right: float, first: str, second: str, third: str, color: str = canvas.INK) -> None:
    """Texts right of the axes; the first alone where there is little room."""
    inches = width_of_axes(axes)
    places = ((0.4, first), (1.2, second), (1.56, third)) if right > 1 else ((0.38, first),)
    for place, text in places:
        at = 1 + place / inches
        axes.text(
            at, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center_baseline", size=6.5, color=color
        )


def _key(axes: "Axes", rows: Sequence[Row], middle: float, below: float, left_out: str, ncols: int) -> None:
    signs = [axes.plot([], [], color=canvas.QUIET, label=name, **how)[0] for name, how in _kinds(rows).items()]
    axes.legend(
        handles=signs,
        title=left_out or None,
        title_fontsize=6,
        loc="upper center",
        bbox_to_anchor=(middle, below),
        ncols=ncols,
        borderpad=0,
        labelspacing=0.3,
        handlelength=1.4,
        columnspacing=1.2,
    )


def _kinds(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """What is drawn beside win rates, and how the key shows it."""
    arms = [row for row in rows if not isinstance(row, str)]
    kinds: dict[str, dict[str, Any]] = {"95 % interval": {"linewidth": 1.3}}
    if any(len(arm["seeds"]) > 1 for arm in arms):
        kinds["one seed"] = {"marker": ".", "markersize": 3, "linestyle": "none"}
    if any(map(has_other_lc, arms)):
        kinds["length-controlled (LC)"] = {"marker": "d", "mfc": "white", "markersize": 3.6, "linestyle": "none"}
    if any(_published(arm) is not None for arm in arms):
        kinds["as published"] = {"marker": "x", "markersize": 3, "linestyle": "none"}
    return kinds


def _ncols(rows: Sequence[Row], width: float) -> int:
    """How many signs of the key stand beside each other."""
    return len(_kinds(rows)) if width >= WIDE else min(2, len(_kinds(rows)))


def has_other_lc(arm: Arm) -> bool:
    """Whether the length-controlled win rate is another figure than that at equal length."""
    lc, own = arm["lc_win_rate_pct"], arm["headline_pct"]
    return lc is not None and own is not None and abs(lc - own) >= OTHER


def _published(arm: Arm) -> float | None:
    return arm["published"][0] if arm["published"] else None
