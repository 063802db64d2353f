"""All that a report shows, as plain JSON values: page, figures and paper tables are functions of it alone."""

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from winsweep import arm_ranking, table_view
from winsweep.plan import Item
from winsweep.report import analyses, cards, cost, curves, groups, headline, notes, provenance, style
from winsweep.report.arms import arms
from winsweep.report.table import ReportTable, Row, read_table
from winsweep.stats import columns
from winsweep.stats.control import FIGURES, Control, changes
from winsweep.study.cell import Cell, Generation, LocalFile
from winsweep.workspace import Workspace, chain

FORMAT = 1
MOST_COMPARED = 40  # arms of a model whose pairwise differences are shown
CITE = (
    "The winsweep developers. winsweep: a grid of finetuned language models, compared by length-controlled win rates.",
    "J. Hewitt, N. F. Liu, P. Liang, C. D. Manning. Instruction Following without Instruction Tuning. arXiv:2409.14254",
)


def contents(workspace: Workspace, table: ReportTable | None = None) -> dict[str, Any]:
    """What the store says of a study now. Nothing in the store is changed, and nothing that is missing is an error.

    Keys (lists are in the study's order; percent and shares are as in the CSV):

    * `format`: of this dictionary. `made`: when, in UTC. `study`: `name`, `file`, `notes`.
    * `state`: `cells`, `judged` (numbers), `is_whole`, `missing` (of each cell that is not judged: `cell`, `stage`,
      `state`, `why`), `table_key` (empty: worked out for this report), `table_note`.
    * `question`, `answer`, `reference`, `judge`: texts. `judge_card`: see `report.cards`. `columns`: column to
      meaning; `rows`, `differences` (of many arms some), `choices`: the CSV files' rows, every value the CSV's text.
    * `control`: see `_control`.
    * `arms`: see `report.arms.arms`.
    * `ranking`: rows of arms that were compared with each other, the strongest first: see `arm_ranking.rows`.
    * `notes`, `style`, `curves`, `analyses`, `cost`, `provenance`: see the modules of these names. `categories`,
      `lengths`: see `report.groups`. `cite`: how to cite.
    """
    table, items = table or read_table(workspace), workspace.plan(workspace.facts())
    study, found = workspace.study, arms(workspace, table)
    state, trained = _state(workspace, table, items), curves.curves(workspace)
    reference, judge = reference_name(workspace), judge_name(table, workspace)
    return {
        "format": FORMAT,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "study": {"name": study.name, "file": study.path.name, "notes": study.notes.strip()},
        "state": state,
        "question": headline.question(found, reference, judge),
        "answer": headline.answer(found, table.differences, state["is_whole"], _where(study.table.control, found)),
        "control": _control(study.table.control, found),
        "reference": reference,
        "judge": judge,
        "judge_card": cards.judge_part(workspace),
        "columns": _meanings(table.columns),
        "rows": list(table.rows),
        "differences": shown_differences(found, table.differences),
        "choices": list(table.choices),
        "arms": found,
        "style": style.style(table, found),
        "notes": notes.notes(workspace, table, items, found, trained),
        "categories": groups.categories(table, found),
        "lengths": groups.lengths(table, found),
        "curves": trained,
        "analyses": analyses.analyses(workspace),
        "ranking": arm_ranking.rows(workspace),
        "cost": cost.cost(workspace),
        "provenance": provenance.provenance(workspace),
        "cite": CITE,
    }


def shown_differences(found: Sequence[Mapping[str, Any]], differences: Sequence[Row]) -> list[Row]:
    """Every row against parity; between arms those of the MOST_COMPARED highest of each model, as a thousand arms have
    half a million pairs.
    """
    best = sorted(found, key=lambda arm: -(arm["headline_pct"] or 0.0))
    kept = {(arm["model"], arm["name"]) for model in {arm["model"] for arm in found} for arm in _first(best, model)}
    return [
        row
        for row in differences
        if row["against"] == headline.PARITY or {(row["model"], row["arm"]), (row["model"], row["against"])} <= kept
    ]


def _where(control: Control, found: Sequence[Mapping[str, Any]]) -> str:
    """What the win rates are controlled for, in a sentence; nothing where that was possible for no arm."""
    is_any = any(not arm["is_plain"] for arm in found if not arm["is_reference"])
    return FIGURES[control].where if is_any else ""


def _control(name: Control, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the headline win rate is controlled for: `name`, its `column`, `low` and `high`, `where` (in a sentence;
    empty without control, or where it was possible for no arm), `label` (of an axis) and `changes` (sentences).
    """
    figure, where = FIGURES[name], _where(name, found)
    corrected = [arm for arm in found if not arm["is_reference"]] if where == FIGURES[name].where else []
    return {
        "name": name,
        "column": figure.rate,
        "low": figure.low,
        "high": figure.high,
        "where": where,
        "label": " ".join(filter(None, ("win rate", where))),
        "changes": changes(corrected, name),
    }


def _first(arms: Sequence[Mapping[str, Any]], model: str) -> list[Mapping[str, Any]]:
    return [arm for arm in arms if arm["model"] == model][:MOST_COMPARED]


def reference_name(workspace: Workspace) -> str:
    """What most cells are compared with: an arm, or a file of outputs."""
    own = {c.comparison.candidate: c.task for c in reversed(workspace.study.table.cells)}
    cells = (cell for cell in workspace.study.table.cells if cell.label in workspace.judged)
    named = Counter(_reference(workspace, cell, own) for cell in cells)
    return named.most_common(1)[0][0] if named else "its reference"


def judge_name(table: ReportTable, workspace: Workspace) -> str:
    """The judge, with its model where it has one."""
    named = {cell.comparison.judge.name for cell in workspace.study.table.cells}
    return table_view.judges(table.rows) or ", ".join(sorted(filter(None, named)))


def _reference(workspace: Workspace, cell: Cell, own: Mapping[Generation, str]) -> str:
    reference = cell.comparison.reference
    if isinstance(reference, LocalFile):
        path = workspace.study.files.get(reference.sha256)
        return path.name if path else "the given outputs"
    return f"“{own.get(reference, reference.name)}”"


def _state(workspace: Workspace, table: ReportTable, items: Sequence[Item]) -> dict[str, Any]:
    by_key, in_table = {i.artifact.key: i for i in items}, set(table.labels)
    missing = [
        {"cell": label, "stage": i.artifact.stage, "state": i.state, "why": i.why}
        for label in workspace.judged
        if label not in in_table and (i := _first_open(workspace, label, by_key))
    ]
    return {
        "cells": len(workspace.judged),
        "judged": len(table.labels),
        "is_whole": len(table.labels) == len(workspace.judged),
        "missing": missing,
        "table_key": table.key,
        "table_note": table.note,
    }


def _first_open(workspace: Workspace, label: str, by_key: dict[str, Item]) -> Item | None:
    """The stage at which a cell stands: what failed, else what is first in its way."""
    own = [a for of in chain([workspace.judged[label]]).values() for a in of]
    open_ones = [i for a in own if (i := by_key.get(a.key)) and i.state != "done"]
    order = {"failed": 0, "running": 1, "ready": 2, "blocked": 3, "waiting": 4}
    return min(open_ones, key=lambda i: order.get(i.state, 5), default=None)


def _meanings(names: Sequence[str]) -> dict[str, str]:
    parts = (columns.NAMES, columns.COLUMNS, columns.CALIBRATED, columns.MEAN_COLUMNS, columns.PROVENANCE)
    known = {name: what for part in (*parts, columns.BOOTSTRAP) for name, what in part.items()}
    return {name: known.get(name, "a field of the recipe that varies") for name in names}
