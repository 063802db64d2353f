"""The files of a table: results.csv, differences.csv, style.csv, choices.csv, and instructions.json with what each
figure was made from.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from winsweep.attempt.job import Job
from winsweep.errors import Incomplete
from winsweep.stats.arm_means import Family, arms_of, drawn_of, families, mean_row, with_draws
from winsweep.stats.bootstrap import beside
from winsweep.stats.calibrated import corrected
from winsweep.stats.columns import BOOTSTRAP, DIFFERENCES, NAMES, STYLE, header
from winsweep.stats.comparison import KEPT, Scored, score
from winsweep.stats.control import Control, control_of
from winsweep.stats.differences import difference_rows
from winsweep.stats.official import Table, read_table
from winsweep.stats.safe_csv import to_csv
from winsweep.stats.style_rows import style_rows
from winsweep.store.manifest import write_atomic
from winsweep.store.provenance import commit_text
from winsweep.text.source import file_rows

KEYS = ("finetune", "generate", "judge")
FOLDS = "5 folds over the 1610 gamed and then the judged rows: row i of T is in fold (T - 1 - i) mod 5"


def write(job: Job) -> None:
    """All files of the table, every figure from the cells' annotations alone."""
    asked = [row["instruction"] for row in file_rows(job.inputs["instructions"] / "instructions.jsonl")]
    table = read_table(job.file(job.params["difficulty"])) if "difficulty" in job.params else None
    cells = job.params["cells"]
    picked = {
        name: json.loads((job.inputs[name] / "value.json").read_bytes())
        for name in sorted({c["choice"] for c in cells if "choice" in c})
    }
    varying = sorted({name for values in [*(cell["varying"] for cell in cells), *picked.values()] for name in values})
    control = control_of(job.params.get("control"))
    rows, scored = [], []
    for i, cell in enumerate(cells):
        made = score_cell(cell, job.inputs[cell["label"]], asked, table)
        scored.append(made)
        rows.append(
            row_of(cell, made, job.inputs[cell["label"]])
            | {"control": control}
            | (picked[cell["choice"]] if "choice" in cell else {})
        )
        job.progress(i + 1, len(cells))
    _write_csv(job, varying, rows, families(rows, scored, varying), control, table.difficulty_N if table else None)
    write_atomic(job.out / "instructions.json", instructions_json(asked, rows, scored).encode())
    if picked:
        write_atomic(job.out / "choices.csv", choices_csv(job, list(picked)).encode())


def _write_csv(
    job: Job,
    varying: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    of: Sequence[Family],
    control: Control,
    difficulty_N: np.ndarray | None,
) -> None:
    published = {family: (mean, std) for family, mean, std in job.params.get("published", ())}
    arms = arms_of(of, varying, control)
    means = [mean_row(family, varying, published) for family in of if len(family) > 1]
    told, tested = [*rows, *means], [{**line, "control": control} for line in difference_rows(arms)]
    more = list(BOOTSTRAP) if "bootstrap" in job.params else []
    if more:
        drawn = drawn_of(of, arms, job.params["bootstrap"], difficulty_N)
        told, tested = with_draws(rows, means, of, drawn), beside(tested, drawn)
    if by := job.params.get("calibration"):
        told = [{**row, **corrected(cells, by)} for row, cells in zip(told, _cells(rows, of), strict=True)]
    write_atomic(job.out / "results.csv", to_csv([*header(varying, bool(by)), *more], told).encode())
    write_atomic(job.out / "differences.csv", to_csv([*DIFFERENCES, *more], tested).encode())
    write_atomic(job.out / "style.csv", to_csv([*NAMES, *varying, *STYLE], style_rows(of, varying)).encode())


def _cells(rows: Sequence[Mapping[str, object]], of: Sequence[Family]) -> list[list[Scored]]:
    """What each row of the table is worked out from: those of single cells, then the means."""
    of_row = {id(row): cell for family in of for row, cell in family}
    return [[of_row[id(row)]] for row in rows] + [[cell for _, cell in family] for family in of if len(family) > 1]


def choices_csv(job: Job, names: list[str]) -> str:
    """Every validation run of every family, and which was picked."""
    read = {name: json.loads((job.inputs[name] / "choice.json").read_bytes())["runs"] for name in names}
    rows = [{"family": name.partition(" ")[2], **run} for name, runs in read.items() for run in runs]
    return to_csv(list(dict.fromkeys(column for row in rows for column in row)), rows)


def score_cell(cell: Mapping, judged: Path, asked: Sequence[str], table: Table | None) -> Scored:
    """The figures of a cell; the categories that it leaves out do not count, and n says how many rows do."""
    annotations = json.loads((judged / "annotations.json").read_bytes())
    left_out = {a["instruction"] for a in annotations if a["dataset"] in cell["leave_out"]}
    kept = [a for a in annotations if a["instruction"] not in left_out]
    if not kept:
        raise Incomplete(
            f"{cell['label']}: leave_out {cell['leave_out']} leaves no instruction at all; remove a category from it"
        )
    return score(kept, [text for text in asked if text not in left_out], table)


def row_of(cell: Mapping, scored: Scored, judged: Path) -> dict[str, object]:
    """One row of the table."""
    record = json.loads((judged / "record.json").read_bytes())
    names = {"model": cell["model"], "task": cell["task"], "seed": cell["seed"], **cell["varying"]}
    made = {"starts_from": cell.get("starts_from", "")} | {f"{k}_key": cell["keys"].get(k, "") for k in KEYS}
    return {**names, **scored.columns, **made, "commit": commit_text(record)}


def instructions_json(asked: Sequence[str], rows: Sequence[Mapping[str, object]], scored: Sequence[Scored]) -> str:
    """What was found for each instruction of each cell, as columns; `instruction` is a place in `instructions`.

    `paired_influence_pct` is what a row adds to its cell's paired win rate: its sample deviation / sqrt(n) is the
    standard error.
    """
    place = {text: i for i, text in enumerate(asked)}
    cells = [
        {
            "row": row,
            "instruction": [place[text] for text in cell.judged.instructions],
            **{name: [r[name] for r in cell.kept] for name in KEPT},
            "chars": cell.judged.chars_2_N.tolist(),
            "chars_reference": cell.judged.chars_1_N.tolist(),
            "paired_influence_pct": cell.paired.psi_N.round(6).tolist(),
        }
        for row, cell in zip(rows, scored, strict=True)
    ]
    made_by = {name: metadata.version(name) for name in ("alpaca-eval", "scikit-learn", "numpy", "scipy")}
    return json.dumps({"folds": FOLDS, "versions": made_by, "instructions": list(asked), "cells": cells})
