"""Win rate against the length of the answers, on paper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from winsweep import canvas
from winsweep.escapes import visible
from winsweep.report.looks import HALF, REFERENCE, Arm, Contents, looks, percent_range, placed, told_apart

if TYPE_CHECKING:
    from winsweep.canvas import Axes, Figure

LEFT, RIGHT, TOP, BOTTOM = 0.46, 0.16, 0.08, 0.36  # inches
LETTERS = 6.0  # points
SIDES = ((0.055, 0.0, "left"), (-0.055, 0.0, "right"), (0.03, 0.085, "left"), (0.03, -0.085, "left"))
Box = tuple[float, float, float, float]  # left, low, right, high, in inches


def height(found: Contents, width: float) -> float:
    look = looks(found)
    return min(3.2, max(2.4, width * 0.5)) + (0.13 * -(-len(look) // _ncols(found, width)) if len(look) > 1 else 0)


def _ncols(found: Contents, width: float) -> int:
    """How many models stand beside each other in the key."""
    widest = max(canvas.width_of(visible(model), 6.5) for model in looks(found)) + 0.5
    return max(1, int((width - LEFT) // widest))


def _bottom(found: Contents, width: float) -> float:
    return BOTTOM + height(found, width) - min(3.2, max(2.4, width * 0.5))


def usable(found: Contents) -> list[Arm]:
    """The arms that have both lengths and a win rate."""
    needed = ("mean_chars", "mean_chars_reference", "headline_pct")
    return [arm for arm in found["arms"] if all(arm[name] is not None for name in needed) and arm[needed[1]] > 0]


def ratio(arm: Arm) -> float:
    return float(arm["mean_chars"] / arm["mean_chars_reference"])


def draw(figure: "Figure", found: Contents) -> None:
    arms, look = usable(found), looks(found)
    width, down = figure.get_size_inches()
    across, up = width - LEFT - RIGHT, down - TOP - _bottom(found, width)
    axes = placed(figure, LEFT, TOP, across, up)
    _dress(axes, arms, f"{found['control']['label']}, %")
    for arm in arms:
        at, value = ratio(arm), arm["headline_pct"]
        low, high = arm["headline_low_pct"], arm["headline_high_pct"]
        color, mark = REFERENCE if arm["is_reference"] else look[arm["model"]].color, look[arm["model"]].mark
        if low is not None and high is not None:
            axes.plot([at, at], [low, high], color=color, linewidth=0.7, alpha=0.7, zorder=2)
        fill = "white" if arm["is_reference"] else color
        axes.plot([at], [value], mark, color=color, mfc=fill, markersize=4, mew=0.8, zorder=3, gid=f"arm-{arm['id']}")
    _names(axes, arms, across, up)
    if len(look) > 1:
        signs = [
            axes.plot([], [], of.mark, color=of.color, markersize=4, label=canvas.fitted(visible(model), across - 0.5))[
                0
            ]
            for model, of in look.items()
        ]
        place: dict[str, Any] = {
            "loc": "upper center",
            "bbox_to_anchor": (0.5, -0.34 / up),
            "borderpad": 0,
            "labelspacing": 0.3,
        }
        axes.legend(handles=signs, ncols=_ncols(found, width), **place)


def _dress(axes: "Axes", arms: Sequence[Arm], label: str) -> None:
    places = [*map(ratio, arms), 1.0]
    room = 0.08 * (max(places) - min(places)) or 0.1
    axes.set_xlim(max(0.0, min(places) - room), max(places) + room)
    ends = [arm[f"headline{end}_pct"] for arm in arms for end in ("_low", "", "_high")]
    axes.set_ylim(*percent_range(ends))
    axes.axhline(HALF, color=canvas.QUIET, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.axvline(1, color=canvas.QUIET, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.locator_params(nbins=5)
    axes.set_ylabel(label)
    axes.set_xlabel("mean length of the answers / of the reference's")


def _names(axes: "Axes", arms: Sequence[Arm], across: float, down: float) -> None:
    """Names beside their marks, where they lie over no other name or mark."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    points = [
        ((ratio(a) - left) / (right - left) * across, (a["headline_pct"] - low) / (high - low) * down) for a in arms
    ]
    taken: list[Box] = [(x - 0.035, y - 0.035, x + 0.035, y + 0.035) for x, y in points]
    texts = told_apart([visible(arm["name"]) for arm in arms], across * 0.35, LETTERS)
    for text, (x, y) in zip(texts, points):
        wide = canvas.width_of(text, LETTERS)
        for dx, dy, align in SIDES:
            start = x + dx - (wide if align == "right" else 0)
            box = (start, y + dy - 0.045, start + wide, y + dy + 0.045)
            if (
                box[0] > 0
                and box[2] < across
                and box[1] > 0
                and box[3] < down
                and not any(_over(box, b) for b in taken)
            ):
                taken.append(box)
                place: dict[str, Any] = {"ha": align, "va": "center_baseline", "transform": axes.transAxes}
                axes.text((x + dx) / across, (y + dy) / down, text, size=LETTERS, **place)
                break


def _over(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
