"""What a study's analyses found, as a report shows it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winsweep.results import containment_rows, rank_rows
from winsweep.study.analysis import Analysis
from winsweep.workspace import Workspace

KINDS = ("rank", "drift", "containment")


def analyses(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """`rank` and `containment`: the rows of results/STUDY.{rank,containment}.csv, values as there, with `cell`;
    `drift`: of each cell `cell`, `task`, `points` ([similarity, likeness] of each prompt) and `styles` (of each style
    its bins by distance); each empty where nothing was asked or made.
    """
    published = workspace.store.published()
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for label, artifact in workspace.analyses.items():
        analysis = workspace.study.analyses[label]
        if analysis.stage in KINDS and (made := published.get(artifact.key)):
            found[analysis.stage] += [{"cell": analysis.cell.label, **row} for row in _rows(analysis, made)]
    return found


def _rows(analysis: Analysis, made: Path) -> Sequence[Mapping[str, Any]]:
    if analysis.stage == "drift":
        return [_drift(analysis, made)]
    return rank_rows(analysis, made) if analysis.stage == "rank" else containment_rows(analysis, made)


def _drift(analysis: Analysis, made: Path) -> dict[str, Any]:
    said = json.loads((made / "drift.json").read_bytes())
    points = [[round(p["similarity"], 4), round(p["task_likeness"], 4)] for p in said["points"]]
    return {"task": analysis.cell.task, "points": points, "styles": said["styles"]}
