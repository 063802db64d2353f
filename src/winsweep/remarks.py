"""What a person should know of answers that are done: that most were cut, are empty, or are the reference's text."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.plan import Item
from winsweep.workspace import Workspace

WORDS = {
    "share_truncated": (0.25, "of its answers were cut by the limit of new tokens"),
    "share_empty": (0.1, "of its answers are empty"),
    "share_identical": (0.5, "of its answers are the reference's text, word for word: ties that say nothing"),
}
SHOWN = 20  # cells that are named one by one


def remarks(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    """A line for each judged cell whose answers are remarkable (the table has the shares as columns); an arm against
    itself is not.
    """
    if not workspace.has_table:
        return []
    known, published = _of_table(workspace), workspace.store.published()
    lines = []
    for label, a in workspace.judged.items():
        if a.key in published and (
            told := told_of(known.get(a.digest) or shares(published[a.key] / "annotations.json"), _with_itself(a))
        ):
            lines.append(f"note     {label}: {told}")
    return [
        *lines[:SHOWN],
        *(
            [f"note     … and {len(lines) - SHOWN} more cells, in the table's columns share_*"]
            if len(lines) > SHOWN
            else []
        ),
    ]


def told_of(found: Mapping[str, float], with_itself: bool = False) -> str:
    """The shares that are large enough to be said, in words."""
    said = [
        f"{100 * found[name]:.0f} % {words}"
        for name, (least, words) in WORDS.items()
        if found.get(name, 0.0) >= least and not (with_itself and name == "share_identical")
    ]
    return "; ".join(said)


def shares(annotations: Path) -> dict[str, float]:
    """The shares of a judged comparison by its rows; none where they cannot be read."""
    try:
        rows = json.loads(annotations.read_bytes())
        num = len(rows) or 1
        return {
            "share_truncated": sum(bool(r.get("truncated")) for r in rows) / num,
            "share_empty": sum(not r["output_2"].strip() for r in rows) / num,
            "share_identical": sum(r["output_1"] == r["output_2"] for r in rows) / num,
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _of_table(workspace: Workspace) -> dict[str, dict[str, float]]:
    """The shares by the digest of the comparison, of the study's last table: one file instead of thousands."""
    try:
        with open(workspace.store.root / "results" / f"{workspace.study.name}.csv", encoding="utf-8", newline="") as f:
            return {
                row["judge_key"]: {name: float(row[name] or 0) for name in WORDS}
                for row in csv.DictReader(f)
                if row.get("judge_key")
            }
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def _with_itself(a: Artifact) -> bool:
    return a.inputs.get("reference") == a.inputs["candidate"]
