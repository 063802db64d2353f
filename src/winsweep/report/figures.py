"""Every plot of a report as files for a paper: results/STUDY.figures/NAME.{svg,pdf}, as wide as a page's text and, with
`-column`, as one of two columns. Functions of `contents` alone.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winsweep import canvas
from winsweep.errors import NotFound
from winsweep.report import paper_tables, plot_forest, plot_matrix, plot_panels, plot_ratio
from winsweep.report.contents import contents
from winsweep.report.looks import Contents, compared
from winsweep.report.plot_panels import Panels
from winsweep.results import write_if_new
from winsweep.workspace import Workspace

if TYPE_CHECKING:
    from winsweep.canvas import Figure

WIDTHS = {"": 6.75, "-column": 3.25}  # inches
FORMATS = ("svg", "pdf")
NAMES = {
    "forest",
    "differences",
    "length_ratio",
    "categories",
    "lengths",
    "loss",
    "learning_rate",
    "drift",
}


@dataclass(frozen=True)
class Plot:
    """A figure of a report: how high it is at a width, and what draws it; both in inches."""

    name: str
    height: Callable[[Contents, float], float]
    draw: Callable[["Figure", Contents], None]


def plots(found: Contents) -> list[Plot]:
    """Those for which there is something to show."""
    arms = {arm["id"] for arm in compared(found)}  # the reference alone may be there so far

    def has_rates(groups: Mapping[str, Any]) -> bool:
        return any(rate["arm"] in arms for rate in groups["rates"])

    loss = any(v is not None for c in found["curves"] for v in c["loss"])
    shown = {
        "forest": bool(found["arms"]) and Plot("forest", plot_forest.height, plot_forest.draw),
        "differences": bool(found["differences"]) and Plot("differences", plot_matrix.height, plot_matrix.draw),
        "length_ratio": bool(plot_ratio.usable(found)) and Plot("length_ratio", plot_ratio.height, plot_ratio.draw),
        "categories": has_rates(found["categories"]) and _panels("categories", plot_panels.categories),
        "lengths": has_rates(found["lengths"]) and _panels("lengths", plot_panels.lengths),
        "loss": loss and _panels("loss", lambda found, width: plot_panels.curves(found, "loss", width)),
        "learning_rate": loss and _panels("learning_rate", lambda found, width: plot_panels.curves(found, "lr", width)),
        "drift": bool(found["analyses"]["drift"]) and _panels("drift", plot_panels.drift),
    }
    return [plot for plot in shown.values() if isinstance(plot, Plot)]


def beside(workspace: Workspace, page: Path) -> str:
    """Write figures and tables into NAME.figures/ beside NAME.html; a line that says where, and what is missing."""
    folder = page.with_suffix(".figures")
    folder.parent.mkdir(exist_ok=True)
    notes = write(contents(workspace), folder)
    return "\n".join([f"{'tables: ' if notes else 'figures:'} {folder}", *notes])


def write(found: Contents, folder: Path) -> list[str]:
    """Put the figures and the table into `folder`, and take away those of before that there are none of now; what a
    person should know. Files that are the same are left as they are. OSError as of the disk.
    """
    write_if_new(paper_tables.latex_table(found).encode(), folder / "table.tex")
    write_if_new(paper_tables.markdown_table(found).encode(), folder / "table.md")
    try:
        canvas.check_installed()
    except NotFound as e:
        return [f"no figures: {e}"]
    shown = plots(found)
    for plot in shown:
        for suffix, width in WIDTHS.items():
            size = (width, plot.height(found, width))
            made = canvas.files(size, functools.partial(_draw, plot, found), FORMATS)
            for name, data in made.items():
                write_if_new(data, folder / f"{plot.name}{suffix}.{name}")
    for name in NAMES - {plot.name for plot in shown}:
        for old in (folder / f"{name}{suffix}.{kind}" for suffix in WIDTHS for kind in FORMATS):
            old.unlink(missing_ok=True)
    return []


def _draw(plot: Plot, found: Contents, figure: "Figure") -> None:
    plot.draw(figure, found)


def _panels(name: str, of: Callable[[Contents, float], Panels]) -> Plot:
    return Plot(
        name,
        lambda found, width: plot_panels.height_of(of(found, width), width),
        lambda figure, found: plot_panels.draw_all(figure, of(found, figure.get_size_inches()[0])),
    )
