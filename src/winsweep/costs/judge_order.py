"""What asking in both orders costs a study, and what it would find in its store or pay if it asked in one."""

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
    """Lines for the judges that are still to be asked in both orders: that it is so, what one order would take, and
    how to show that one suffices. Nothing is in them of a judge that is asked in one.
    """
    missing = {i.artifact.key for i in items if i.state != "done" and i.artifact.stage == "judge"}
    asked = {c.judge: None for c in _comparisons(workspace) if _is_open(workspace, c, missing)}
    told = []
    for judge in asked:
        found = [c for c in _comparisons(workspace) if c.judge == judge and _is_open(workspace, c, missing)]
        told += _of_judge(workspace, judge, [_in_one(workspace, c) for c in found])
    return told


def _of_judge(workspace: Workspace, judge: Judge, in_one: Sequence[Artifact]) -> list[str]:
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


def _comparisons(workspace: Workspace) -> Iterator[Comparison]:
    """What is judged for the study's table and its rankings."""
    yield from (workspace.cells[label].comparison for label in workspace.judged if label in workspace.cells)
    yield from (pair.comparison for pair in workspace.study.pairs)


def _is_open(workspace: Workspace, comparison: Comparison, missing: set[str]) -> bool:
    return bool(
        getattr(comparison.judge.options, "both_orders", False)
        and comparison.candidate != comparison.reference
        and workspace.need("judge", comparison).key in missing
    )


def _in_one(workspace: Workspace, comparison: Comparison) -> Artifact:
    options: Any = comparison.judge.options  # a dataclass of the judge's own module
    return workspace.need(
        "judge", replace(comparison, judge=replace(comparison.judge, options=replace(options, both_orders=False)))
    )
