"""The arms of a table: which rows are the seeds of which arm, and which row speaks for it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from winsweep.report.table import ReportTable, Row
from winsweep.stats import columns
from winsweep.stats.arm_means import MEAN
from winsweep.stats.control import FIGURES, Control
from winsweep.study.cell import Cell
from winsweep.workspace import Workspace

NUMBERS = (
    "paired_win_rate_pct",
    "paired_low_pct",
    "paired_high_pct",
    "style_win_rate_pct",
    "style_low_pct",
    "style_high_pct",
    "lc_win_rate_pct",
    "win_rate_pct",
    "low_pct",
    "high_pct",
    "mean_chars",
    "mean_chars_reference",
    "share_truncated",
    "share_empty",
    "share_ties",
    "share_identical",
    "position_bias_pct",
    "share_disagree",
    "jury_agreement",
    "jury_alpha",
)


def arms(workspace: Workspace, table: ReportTable) -> list[dict[str, Any]]:
    """An entry for each arm in the order of the table.

    Keys: `id` (its place), `model`, `task`, `name` (with what varies), `row` (index in `rows` of the row that speaks
    for it: the mean, or the only seed), `cells` (indices in `rows`), `seeds` (of each `seed` and some figures),
    figures as numbers or None under their columns' names, `headline_pct`, `headline_low_pct` and `headline_high_pct`
    (by `control`), `lc_error_pct` (one seed), `n`, `note`, `published` ([mean, deviation] or None), `is_reference`
    (compared with itself), `is_plain` (some seed's win rate at equal length is its plain one, for a reason in the
    notes), `lora_rank` (None: no adapters are trained) and `has_grammar` (its answers are constrained).
    """
    varying = columns.varying(table.columns)
    seeds: dict[tuple[str, ...], list[int]] = {}
    means: dict[tuple[str, ...], int] = {}
    for i, row in enumerate(table.rows):
        name = _family(row, varying)
        if row["seed"] == MEAN:
            means[name] = i
        else:
            seeds.setdefault(name, []).append(i)
    control = workspace.study.table.control
    theirs = {name: (mean, deviation) for name, mean, deviation in workspace.study.table.published}
    own = with_themselves(workspace)
    return [
        _arm(n, table, of, means.get(name, of[0]), varying, theirs, control)
        | {"is_reference": _labels(table, of) <= own}
        | how_made(workspace.cells[table.labels[of[0]]])
        for n, (name, of) in enumerate(seeds.items())
    ]


def with_themselves(workspace: Workspace) -> set[str]:
    """Cells whose outputs are their own reference."""
    return {label for label, a in workspace.judged.items() if a.inputs.get("reference") == a.inputs.get("candidate")}


def how_made(cell: Cell) -> dict[str, Any]:
    """What a reader must know of a cell's answers beside its name: `lora_rank` of its finetune, if that trained
    adapters, else None; `has_grammar`.
    """
    lora = cell.training.recipe.lora if cell.training else None
    return {"lora_rank": lora.rank if lora else None, "has_grammar": cell.comparison.candidate.grammar is not None}


def name_of(row: Row, varying: Sequence[str]) -> str:
    """An arm as differences.csv names it."""
    return " ".join([row["task"], *(f"{name}={row[name]}" for name in varying if row.get(name))])


def number(text: str | None) -> float | None:
    """A figure of a CSV; None where there is none."""
    return float(text) if text and math.isfinite(float(text)) else None


def _arm(
    n: int,
    table: ReportTable,
    of: Sequence[int],
    speaks: int,
    varying: Sequence[str],
    theirs: Mapping[str, tuple[float, float]],
    control: Control,
) -> dict[str, Any]:
    row, rate = table.rows[speaks], FIGURES[control]
    published = theirs.get(f"{row['model']}.{row['task']}")
    return {
        "id": n,
        "model": row["model"],
        "task": row["task"],
        "name": name_of(row, varying),
        "row": speaks,
        "cells": list(of),
        "seeds": [
            {"seed": table.rows[i]["seed"], "headline_pct": number(table.rows[i].get(rate.rate))}
            | {c: number(table.rows[i].get(c)) for c in NUMBERS[:11]}
            for i in of
        ],
        **{c: number(row.get(c)) for c in NUMBERS},
        "headline_pct": number(row.get(rate.rate)),
        "headline_low_pct": number(row.get(rate.low)),
        "headline_high_pct": number(row.get(rate.high)),
        "lc_error_pct": number(row.get("lc_standard_error_pct")),
        "n": int(row["n"]) if row.get("n") else None,
        "note": row.get("note", ""),
        "is_plain": control != "none" and any(table.rows[i].get("paired_formula") == "raw" for i in of),
        "published": list(published) if published else None,
    }


def _labels(table: ReportTable, of: Sequence[int]) -> set[str]:
    """Rows of single seeds come first and are the cells in their order."""
    return {table.labels[i] for i in of}


def _family(row: Row, varying: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("model", "task", *varying))
