"""The figure of a table: python docs/figures/draw.py [runs/results/demo.csv]; of the laptop study:
python docs/figures/draw.py runs/results/laptop_pypi.csv --out docs/figures/laptop.svg

Win rates of each arm against instruction tuning at equal length, mean over seeds, with 95 % intervals. Needs
matplotlib. Colors are mid-tones on a transparent ground, to be read on a light and on a dark page.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, RULE = "#7a7a7a", "#9a9a9a"
LOOKS = (("#2f80ed", "o"), ("#e0751a", "s"))  # of a model: color and mark, which tell it apart without color too
WIDTH, ROW = 7.2, 0.3  # inches: of the figure, of an arm
PARITY = 50.0
Row = dict[str, str]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("table", type=Path, nargs="?", default=Path("runs/results/demo.csv"), help="a study's table")
    p.add_argument("--out", type=Path, default=Path(__file__).with_name("demo.svg"), help="the figure to write")
    a = p.parse_args()
    with open(a.table, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    draw([row for row in rows if row["seed"] == "mean"] or rows, a.out)  # of one seed there is no mean


def draw(rows: Sequence[Row], path: Path) -> None:
    """A forest plot of the mean rows of a table; the same bytes for the same rows."""
    import matplotlib
    from matplotlib.figure import Figure

    arms, models = order(rows), list(dict.fromkeys(row["model"] for row in rows))
    style = {"svg.hashsalt": "winsweep", "font.size": 11, "text.color": INK, "axes.labelcolor": INK}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(WIDTH, 1.0 + ROW * len(arms)), layout="constrained")
        axes = figure.add_subplot()
        for n, model in enumerate(models):
            own = {row["task"]: row for row in rows if row["model"] == model}
            shift = (n - (len(models) - 1) / 2) * 0.26
            intervals(axes, [(i + shift, own[arm]) for i, arm in enumerate(arms) if arm in own], n, model)
        dress(axes, arms, max(float(row["paired_high_pct"]) for row in rows))
        if len(models) > 1:
            axes.legend(loc="center", bbox_to_anchor=(0.45, 0.5), frameon=False, title="base model", labelcolor=INK)
        figure.savefig(path, transparent=True, metadata={"Date": None})


def order(rows: Sequence[Row]) -> list[str]:
    """The arms, the best first; equal ones as in the table."""
    arms = list(dict.fromkeys(row["task"] for row in rows))
    return sorted(arms, key=lambda arm: -fmean(float(r["paired_win_rate_pct"]) for r in rows if r["task"] == arm))


def intervals(axes: "Axes", placed: Sequence[tuple[float, Row]], n: int, model: str) -> None:
    """One model's win rates, each with its interval, at the heights given."""
    color, mark = LOOKS[n % len(LOOKS)]
    low, middle, high = ([float(row[f"paired_{k}_pct"]) for _, row in placed] for k in ("low", "win_rate", "high"))
    heights = [height for height, _ in placed]
    axes.hlines(heights, low, high, color=color, linewidth=2)
    axes.plot(middle, heights, mark, color=color, markersize=6, label=model)


def dress(axes: "Axes", arms: Sequence[str], highest: float) -> None:
    axes.axvline(PARITY, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.text(PARITY - 0.6, -0.72, "as good as instruction tuning", ha="right", va="center", fontsize=9.5)
    axes.set_yticks(range(len(arms)), arms)
    axes.set_ylim(len(arms) - 0.5, -1.05)
    axes.set_xlim(-1.5, max(56, highest + 1.5))
    axes.set_xlabel("win rate against instruction tuning, % (at equal length, 95 % interval)")
    axes.tick_params(colors=INK, length=0)
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.35)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


if __name__ == "__main__":
    main()
