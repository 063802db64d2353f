"""The files of a report: results/STUDY.html, and that a run leaves it behind."""

from pathlib import Path

from winsweep.errors import WinsweepError
from winsweep.report.contents import contents
from winsweep.report.page import page
from winsweep.results import path_of
from winsweep.store import links
from winsweep.store.manifest import write_atomic
from winsweep.workspace import Workspace


def report_path(workspace: Workspace) -> Path:
    """Where a study's report lies once it is made."""
    return path_of(workspace).with_suffix(".html")


def write_report(workspace: Workspace, out: Path | None = None, with_texts: bool = True) -> Path:
    """Write the report of a study as the store is now, whole or not at all; where it lies.

    OSError where it cannot be written. Without texts there is nothing in it of what instructions and answers say.
    """
    target = out or links.refuse(report_path(workspace).parent) / report_path(workspace).name
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, page(contents(workspace)).encode())
    return target


def write_after_run(workspace: Workspace) -> str:
    """The report of a run that is over; a note if it could not be made, and nothing is raised: the run's results stand
    without it.
    """
    try:
        write_report(workspace)
    except (WinsweepError, OSError, ValueError, LookupError, TypeError) as e:
        return f"note     the report {report_path(workspace)} could not be written: {type(e).__name__}: {e}"
    return ""
