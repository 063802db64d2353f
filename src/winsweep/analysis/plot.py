"""How drift looks on paper: figure 5 of Hewitt et al. (2024). The only file that imports matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from winsweep.analysis.drift import Point
from winsweep.errors import BadData, NotFound

SUFFIXES = (".png", ".svg", ".pdf")


def scatter(points: Sequence[Point], task: str, path: Path) -> None:
    """A point per output, similarity against task likeness, written to `path` (.png, .svg or .pdf); the same bytes for
    the same points.

    NotFound without matplotlib, BadData for another suffix. No text of a model is drawn.
    """
    if path.suffix not in SUFFIXES:
        raise BadData(f"{path}: found the suffix {path.suffix!r}; legal are {', '.join(SUFFIXES)}")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise NotFound(
            "plot: the package matplotlib is not installed; type pip install -e '.[analysis]' in the checkout"
        ) from None
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.scatter([p.similarity for p in points], [p.task_likeness for p in points], s=12, alpha=0.6, linewidths=0)
    axes.set_xlabel(f"similarity of the prompt to {task} prompts (mean cosine)", parse_math=False)
    axes.set_ylabel(f"likeness of the output to {task} over general responses", parse_math=False)
    undated = {} if path.suffix == ".png" else {"CreationDate" if path.suffix == ".pdf" else "Date": None}
    with matplotlib.rc_context({"svg.hashsalt": "winsweep"}):
        figure.savefig(path, dpi=150, metadata=undated)
