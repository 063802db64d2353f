"""The table that a report shows: the published one of the cells that are judged by now, or the same worked out from
their annotations where it is not made yet.
"""

import csv
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winsweep.artifact import Artifact
from winsweep.attempt.job import Job
from winsweep.errors import MissingInput, WinsweepError
from winsweep.placement import Placement
from winsweep.results import TABLE, judged
from winsweep.store import manifest, small_files
from winsweep.workspace import Workspace

Row = dict[str, str]


@dataclass(frozen=True)
class ReportTable:
    """The rows of a table as its CSV has them, all text, and what was found for each instruction of each cell.

    `key` is empty for one that was worked out here and is not published. `note` says what a reader must know of it.
    """

    labels: tuple[str, ...] = ()  # of the cells in it, in the study's order
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    differences: tuple[Row, ...] = ()
    choices: tuple[Row, ...] = ()
    style: tuple[Row, ...] = ()
    by_instruction: Mapping[str, Any] = field(default_factory=dict)  # instructions.json
    key: str = ""
    note: str = ""


def read_table(workspace: Workspace) -> ReportTable:
    """The table of exactly the cells that are judged now; an empty one with a note where there is none or it cannot be
    worked out. Damaged if a published file was changed.
    """
    published = workspace.store.published()
    labels = tuple(judged(workspace))
    if not workspace.has_table or not labels:
        return ReportTable(note="no cell is judged yet")
    asked = workspace.table(set(labels))
    if made := published.get(asked.key):
        manifest.verify(made)
        return _read(made, labels, asked.key, "")
    return _worked_out(workspace, asked, labels, published)


def _read(folder: Path, labels: tuple[str, ...], key: str, note: str) -> ReportTable:
    rows = _csv(folder / TABLE)
    return ReportTable(
        labels,
        tuple(rows[0]) if rows else (),
        tuple(rows),
        tuple(_csv(folder / "differences.csv")),
        tuple(_csv(folder / "choices.csv")),
        tuple(_csv(folder / "style.csv")),
        json.loads((folder / "instructions.json").read_bytes()),
        key,
        note,
    )


def _worked_out(
    workspace: Workspace, asked: Artifact, labels: tuple[str, ...], published: Mapping[str, Path]
) -> ReportTable:
    """The table by the code of the stage aggregate, in a folder that is gone afterwards: the store stays as it is."""
    from winsweep.stats.table import write

    files = {sha: str(path) for sha, path in workspace.study.files.items()}
    with tempfile.TemporaryDirectory(prefix="winsweep-report-") as folder:
        at = Path(folder)
        inputs = {name: published[a.key] for name, a in asked.inputs.items() if a.key in published}
        try:
            write(Job(asked.name, asked.plain_params, inputs, at, at, Placement(), files))
        except (WinsweepError, OSError, KeyError) as e:
            if gone := [path for path in inputs.values() if not path.exists()]:
                raise MissingInput(f"{gone[0]}: was removed while it was read") from e
            said = f"{type(e).__name__}: {e}"
            return ReportTable(labels, note=f"the table of the cells that are judged could not be worked out: {said}")
        return _read(at, labels, "", "this table is not in results/ yet: it was worked out for this report")


def _csv(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with small_files.lines(path) as f:
        return [{name: value or "" for name, value in row.items() if name} for row in csv.DictReader(f)]
