"""aggregate: every judged cell becomes one row of results.csv, and arms are compared."""

from winsweep.artifact import Artifact
from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Cell, Data, Table

VERSION = 2


def want(ask: Table, need: Need) -> Want:
    judged = {cell.label: need("judge", cell.comparison) for cell in ask.cells}
    params = {"cells": [_row(cell, judged[cell.label], need) for cell in ask.cells]}
    params |= {"difficulty": ask.difficulty} if ask.difficulty else {}
    params |= {"published": ask.published} if ask.published else {}
    asked = {need("prepare", Data("instructions", cell.comparison.candidate.instructions)) for cell in ask.cells}
    choices = {_choice(cell): need("choose", cell.training.choice) for cell in ask.cells if _choice(cell)}
    return Want(ask.name, params, {**judged, **choices, **{"instructions": a for a in asked}})


def run(job: Job) -> None:
    from winsweep.stats.table import write

    write(job)


def _choice(cell: Cell) -> str:
    """The name under which this stage knows the choice that a cell was trained by; nothing if it was not."""
    return f"choice {cell.training.choice.name}" if cell.training and cell.training.choice else ""


def _row(cell: Cell, judged: Artifact, need: Need) -> dict:
    made = {"generate": judged.inputs["candidate"].digest, "judge": judged.digest}
    if cell.training:
        made["finetune"] = need("finetune", cell.training).digest
    return {
        "label": cell.label,
        "model": cell.model,
        "task": cell.task,
        "seed": cell.seed,
        "varying": dict(cell.varying),
        "leave_out": list(cell.leave_out),
        "keys": made,
    } | ({"choice": _choice(cell)} if _choice(cell) else {})


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
