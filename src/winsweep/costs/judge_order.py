"""In which orders a study's judges are asked, and what the other way would find in its store or cost."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from winsweep import command_names
from winsweep.artifact import Artifact
from winsweep.costs import forecast
from winsweep.plan import Item
from winsweep.study.cell import Comparison, Judge
from winsweep.workspace import Workspace


def lines(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    """Lines for the judges that are still to be asked: in both orders, with what one would take and how to show that
    one suffices; in one, with what both would take. Nothing of a judge that has no such choice.
    """
    missing = {i.artifact.key for i in items if i.state != "done" and i.artifact.stage == "judge"}
    asked = {c.judge: None for c in _comparisons(workspace) if _is_open(workspace, c, missing)}
    told = []
    for judge in asked:
        found = [c for c in _comparisons(workspace) if c.judge == judge and _is_open(workspace, c, missing)]
        is_both = bool(getattr(judge.options, "both_orders", False))
        turned = [_asked_in(workspace, c, not is_both) for c in found]
        told += _of_both(workspace, judge, turned) if is_both else _of_one(workspace, judge, turned)
    return told


def _of_both(workspace: Workspace, judge: Judge, in_one: Sequence[Artifact]) -> list[str]:
    published = workspace.store.published()
    there = [a for a in in_one if a.key in published]
    kept = f"; {len(there):,} of these comparisons are there in one order already, which that keeps" if there else ""
    validate = command_names.as_typed(f"python launch/validate.py --study {shlex.quote(str(workspace.study.path))}")
    return [
        (
            f"judge {judge.name}: each pair is asked in both orders, twice the calls; type both_orders: false beside "
            f"from: for one{kept}. Whether one suffices: {validate}"
        ),
        *(f"in one order: {line}" for line in forecast.judgements(workspace, [a for a in in_one if a not in there])),
    ]


def _of_one(workspace: Workspace, judge: Judge, in_both: Sequence[Artifact]) -> list[str]:
    published = workspace.store.published()
    told = forecast.judgements(workspace, [a for a in in_both if a.key not in published])
    parts = [part for line in told for part in line.partition(": ")[2].split("; ")]
    amounts = [p.partition(" of ")[0] for p in parts if p.startswith("about $") or "judgements" in p.split(" of ")[0]]
    cost = ", ".join(amounts).replace(" and those", "") or "not known yet"
    return [f"judge {judge.name}: asked in one order; in both (both_orders: true beside from:): {cost}"]


def _comparisons(workspace: Workspace) -> Iterator[Comparison]:
    """What is judged for the study's table and its rankings."""
    yield from (workspace.cells[label].comparison for label in workspace.judged if label in workspace.cells)
    yield from (pair.comparison for pair in workspace.study.pairs)


def _is_open(workspace: Workspace, comparison: Comparison, missing: set[str]) -> bool:
    return bool(
        hasattr(comparison.judge.options, "both_orders")
        and comparison.candidate != comparison.reference
        and workspace.need("judge", comparison).key in missing
    )


def _asked_in(workspace: Workspace, comparison: Comparison, is_both: bool) -> Artifact:
    options: Any = comparison.judge.options  # a dataclass of the judge's own module
    return workspace.need(
        "judge", replace(comparison, judge=replace(comparison.judge, options=replace(options, both_orders=is_both)))
    )
