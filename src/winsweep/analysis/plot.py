"""How drift looks on paper: figure 5 of Hewitt et al. (2024)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from winsweep import canvas
from winsweep.analysis.drift import Point

if TYPE_CHECKING:
    from winsweep.canvas import Figure


def scatter(points: Sequence[Point], task: str, path: Path) -> None:
    """A point per output, similarity against task likeness, written to `path` (.png, .svg or .pdf); the same bytes for
    the same points.

    NotFound without matplotlib, BadData for another suffix. No text of a model is drawn.
    """

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.scatter([p.similarity for p in points], [p.task_likeness for p in points], s=12, alpha=0.6, linewidths=0)
        axes.set_xlabel(f"similarity of the prompt to {task} prompts (mean cosine)", parse_math=False)
        axes.set_ylabel(f"likeness of the output to {task} over general responses", parse_math=False)

    canvas.plain(path, (6, 4.5), draw)
