"""What a reader of a report must know before trusting it: of the table, of answers, of what failed or is missing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from winsweep.plan import Item
from winsweep.remarks import remarks
from winsweep.report.table import ReportTable
from winsweep.stats.arm_means import MEAN
from winsweep.workspace import Workspace

MOST_FAILURES = 20


def notes(workspace: Workspace, table: ReportTable, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Each with `kind` (warning or note), `text`, and `of`: the cells that it is about, none where it is of all."""
    return [
        *_of_state(workspace, table, items),
        *({"kind": "warning", "text": text, "of": []} for text in _remarks(workspace, items)),
        *_of_rows(table),
    ]


def _of_state(workspace: Workspace, table: ReportTable, items: Sequence[Item]) -> Iterable[dict[str, Any]]:
    if len(table.labels) < len(workspace.judged):
        left = [label for label in workspace.judged if label not in table.labels]
        yield {
            "kind": "warning",
            "text": f"{len(left)} of {len(workspace.judged)} cells are not judged yet",
            "of": left,
        }
    if table.note and table.labels:
        yield {"kind": "warning", "text": table.note, "of": []}
    failed = [i for i in items if i.state == "failed"]
    for item in failed[:MOST_FAILURES]:
        yield {"kind": "warning", "text": f"{item.artifact.name} failed: {item.why}", "of": []}
    if len(failed) > MOST_FAILURES:
        yield {"kind": "warning", "text": f"{len(failed) - MOST_FAILURES} other results failed, too", "of": []}
    for line in workspace.damaged().splitlines():
        yield {"kind": "warning", "text": line, "of": []}
    for path, why in workspace.study.missing.items():
        yield {"kind": "note", "text": f"a file that the study names is not here: {path.name}", "of": [], "why": why}
    yield from _of_commits(table)


def _of_commits(table: ReportTable) -> Iterable[dict[str, Any]]:
    commits = sorted({row["commit"] for row in table.rows if row.get("commit")})
    if len(commits) > 1:
        yield {"kind": "note", "text": f"cells were judged by {len(commits)} commits of winsweep", "of": []}
    if changed := [c for c in commits if c.endswith("+changes")]:
        what = f"cells were judged by code that differs from its commit ({', '.join(c[:12] for c in changed)})"
        yield {"kind": "warning", "text": what, "of": []}


def _remarks(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    return [line.removeprefix("note").strip() for line in remarks(workspace, items)]


def _of_rows(table: ReportTable) -> list[dict[str, Any]]:
    """The column note: rows that say the same as one."""
    said: dict[str, list[str]] = {}
    for i, row in enumerate(table.rows):
        for text in filter(None, row.get("note", "").split("; ")):
            said.setdefault(text, []).append(
                f"{row['model']}.{row['task']}" if row["seed"] == MEAN else table.labels[i]
            )
    return [{"kind": "note", "text": text, "of": of} for text, of in said.items()]


def by_kind(found: Iterable[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [note for note in found if note["kind"] == kind]
