"""Which whole tables a study had before, so that a reader knows what was added after somebody could look."""

import datetime
import json
from pathlib import Path
from typing import Any

from winsweep import results
from winsweep.results import path_of
from winsweep.store import links, small_files
from winsweep.store.manifest import write_atomic
from winsweep.workspace import Workspace

ASSUME = "intervals and p assume that the plan was fixed before anybody looked; say so beside them"


def record(workspace: Workspace) -> None:
    """Remember what the study asked for, once its table is there with every cell: results/NAME.plans.json, a list of
    the plans that had a whole table, oldest first.
    """
    if not workspace.has_table or len(workspace.judged) < len(workspace.study.table.cells):
        return  # some cells were asked for by hand
    known, now = _known(workspace), _plan(workspace)
    if (not known or _asked(known[-1]) != now) and results.is_current(workspace, set(workspace.judged)):
        made = datetime.datetime.now(datetime.UTC).date().isoformat()
        target = links.refuse(_path(workspace))
        write_atomic(target, json.dumps([*known, {"made": made, **now}], indent=1).encode())


def lines(workspace: Workspace) -> list[str]:
    """A line where seeds, arms or instructions came after a whole table was there: the first such table counts."""
    now = _plan(workspace)
    for before in _known(workspace):
        new = {name: [x for x in now[name] if x not in before[name]] for name in ("seeds", "arms")}
        more = [f"{name} {', '.join(map(str, found))}" for name, found in new.items() if found]
        more += ["other instructions"] if before["instructions"] != now["instructions"] else []
        if more:
            return [f"{' and '.join(more)} came after a whole table of {before.get('made')}: {ASSUME}"]
    return []


def _plan(workspace: Workspace) -> dict[str, Any]:
    cells = workspace.study.table.cells
    asked = {workspace.need("judge", cell.comparison).inputs["instructions"].key for cell in cells[:1]}
    return {
        "seeds": sorted({cell.seed for cell in cells}),
        "arms": sorted({f"{cell.model}.{cell.task}" for cell in cells}),
        "instructions": sorted(asked),
    }


def _asked(plan: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if name != "made"}


def _path(workspace: Workspace) -> Path:
    return path_of(workspace).with_suffix(".plans.json")


def _known(workspace: Workspace) -> list[dict[str, Any]]:
    try:
        found = json.loads(small_files.content(_path(workspace), small_files.LARGE_BYTES) or b"")
    except (OSError, ValueError, RecursionError):
        return []
    plans = [plan for plan in found if isinstance(plan, dict)] if isinstance(found, list) else []
    return [p for p in plans if all(isinstance(p.get(name), list) for name in ("seeds", "arms", "instructions"))]
