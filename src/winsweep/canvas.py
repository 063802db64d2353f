"""Figures for paper: sizes in inches, fonts that may be embedded, always the same bytes. The only file that imports
matplotlib.
"""

import functools
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from winsweep.errors import BadData, NotFound

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

SUFFIXES = (".png", ".svg", ".pdf")
INK, QUIET, RULE = "#16191d", "#5b6470", "#c9ced4"
FONT = "DejaVu Sans"  # comes with matplotlib, so that every machine draws the same
POINTS = 7.0  # of text
STYLE = {
    "font.family": FONT,
    "font.size": POINTS,
    "text.color": INK,
    "text.parse_math": False,  # names are others' text
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.5,
    "axes.labelsize": POINTS,
    "axes.labelpad": 2.5,
    "axes.titlesize": POINTS,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.2,
    "ytick.major.size": 2.2,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: some publishers take no other
    "ps.fonttype": 42,
    "svg.fonttype": "path",  # looks the same where the font is not there
    "svg.hashsalt": "winsweep",
}
Draw = Callable[["Figure"], None]


def check_installed() -> None:
    """NotFound without matplotlib says how to install it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise NotFound(
            "plot: the package matplotlib is not installed; type pip install -e '.[analysis]' in the checkout"
        ) from None


def files(size: tuple[float, float], draw: Draw, formats: Sequence[str]) -> dict[str, bytes]:
    """A figure of (width, height) inches, drawn once in this file's style, as a file of each format (svg, pdf, png).

    NotFound without matplotlib.
    """
    found = {}
    with drawn(size, draw) as figure:
        for name in formats:
            data = io.BytesIO()
            figure.savefig(data, format=name, dpi=200, metadata=undated(f".{name}"))
            found[name] = data.getvalue()
    return found


@contextmanager
def drawn(size: tuple[float, float], draw: Draw) -> Iterator["Figure"]:
    """A figure with what `draw` puts into it, while the style holds. Letters that the font lacks are boxes."""
    check_installed()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from", category=UserWarning)
        figure = Figure(figsize=size)
        draw(figure)
        yield figure


def plain(path: Path, size: tuple[float, float], draw: Draw) -> None:
    """Draw a figure in matplotlib's own style and write it to a path by its suffix, one of SUFFIXES (BadData)."""
    if path.suffix not in SUFFIXES:
        raise BadData(f"{path}: found the suffix {path.suffix!r}; legal are {', '.join(SUFFIXES)}")
    check_installed()
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    with matplotlib.rc_context({"svg.hashsalt": STYLE["svg.hashsalt"]}):
        figure.savefig(path, dpi=150, metadata=undated(path.suffix))


def undated(suffix: str) -> dict[str, None]:
    """The metadata of a file that leaves its date out."""
    return {} if suffix == ".png" else {"CreationDate" if suffix == ".pdf" else "Date": None}


@functools.lru_cache(maxsize=4096)
def width_of(text: str, points: float = POINTS, weight: str = "normal") -> float:
    """How wide a text is drawn, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=FONT, size=points, weight=weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def fitted(text: str, inches: float, points: float = POINTS) -> str:
    """`text`, or its beginning and its end around an ellipsis where it would be wider."""
    if width_of(text, points) <= inches:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if width_of(_shortened(text, kept), points) <= inches else (low, kept - 1)
    return _shortened(text, low)


def _shortened(text: str, kept: int) -> str:
    behind = kept // 3
    return f"{text[: kept - behind]}…{text[len(text) - behind :]}"
