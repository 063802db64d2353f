"""What a person types or opens once a run is over: the report, the answers of a cell, why something failed."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from winsweep import arm_grid, layout
from winsweep.command_names import as_typed
from winsweep.plan import Item
from winsweep.workspace import Workspace

ANNOTATIONS = "annotations.json"  # what the judge was shown and said, in a judgement


def lines(workspace: Workspace, items: Sequence[Item], typed: str) -> list[str]:
    """A line for each thing that there is to look at; `typed`: study and store as arguments, quoted for a shell."""
    return [
        f"next     {line}"
        for line in (_report(workspace, typed), _answers(workspace), _failed(workspace, items, typed))
        if line
    ]


def watch(typed: str) -> str:
    """What shows a study that goes on elsewhere."""
    return f"next     watch it: {as_typed('python launch/status.py')} {typed} --watch"


def _report(workspace: Workspace, typed: str) -> str:
    """The page if it is there, else what makes it."""
    page = _page(workspace)
    if page.is_file():
        return f"the report, in a browser: {shlex.quote(str(page))}"
    if (layout.LAUNCH / "report.py").is_file() and workspace.has_table:
        return f"the report: {as_typed('python launch/report.py')} {typed}"
    return ""


def _page(workspace: Workspace) -> Path:
    return workspace.store.root / "results" / f"{workspace.study.name}.html"


def _answers(workspace: Workspace) -> str:
    """Where the answers of the first cell are that is judged and has a reference other than itself."""
    published = workspace.store.published()
    for label, a in workspace.judged.items():
        made = published.get(a.key)
        if made and a.stage == "judge" and a.inputs["candidate"] != a.inputs.get("reference"):
            page = _page(workspace)
            where = f"{page.as_uri()}#cell={quote(label)}" if page.is_file() else shlex.quote(str(made / ANNOTATIONS))
            return f"answers of {label} beside the reference's: {where}"
    return ""


def _failed(workspace: Workspace, items: Sequence[Item], typed: str) -> str:
    """What tells of the first cell that something failed of."""
    cells = arm_grid.owners(workspace, {label: label for label in workspace.judged})
    keys = [i.artifact.key for i in items if i.state == "failed" and cells.get(i.artifact.key)]
    if not keys:
        return ""
    first = next(label for label in workspace.judged if label in cells[keys[0]])
    return f"what failed: {as_typed('python launch/status.py')} {typed} --why {shlex.quote(first)}"
