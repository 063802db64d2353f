"""aggregate: every judged cell becomes one row of results.csv, and arms are compared."""

from winsweep.artifact import Artifact
from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Cell, Choice, Data
from winsweep.study.origin import starts_text
from winsweep.study.table import Table

VERSION = 3


def want(ask: Table, need: Need) -> Want:
    judged = {cell.label: need("judge", cell.comparison) for cell in ask.cells}
    params: dict[str, object] = {"cells": [_row(cell, judged[cell.label], need) for cell in ask.cells]}
    params |= {"difficulty": ask.difficulty} if ask.difficulty else {}
    params |= {"published": ask.published} if ask.published else {}
    params |= {"control": ask.control} if ask.control != "length" else {}
    params |= {"bootstrap": ask.bootstrap} if ask.bootstrap else {}
    params |= {"calibration": dict(ask.calibration)} if ask.calibration else {}
    inputs = judged | {
        _named(t.choice): need("choose", t.choice) for cell in ask.cells if (t := cell.training) and t.choice
    }
    for cell in ask.cells:  # of all cells the same
        inputs["instructions"] = need("prepare", Data("instructions", cell.comparison.candidate.instructions))
    return Want(ask.name, params, inputs)


def run(job: Job) -> None:
    from winsweep.stats.table import write

    write(job)


def _named(choice: Choice) -> str:
    """The name under which this stage knows a choice."""
    return f"choice {choice.name}"


def _row(cell: Cell, judged: Artifact, need: Need) -> dict:
    made = {"generate": judged.inputs["candidate"].digest, "judge": judged.digest}
    if cell.training:
        made["finetune"] = need("finetune", cell.training).digest
    starts = starts_text(cell.comparison.candidate.model)
    row = {
        "label": cell.label,
        "model": cell.model,
        "task": cell.task,
        "seed": cell.seed,
        "varying": dict(cell.varying),
        "leave_out": list(cell.leave_out),
        "keys": made,
    }
    row |= {"choice": _named(cell.training.choice)} if cell.training and cell.training.choice else {}
    return row | ({"starts_from": starts} if starts else {})


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
