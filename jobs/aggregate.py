"""aggregate: every judged cell becomes one row of results.csv."""

from winsweep.artifact import Artifact
from winsweep.cell import Cell, Data, Table
from winsweep.graph import Need, Want
from winsweep.job import Job

VERSION = 1


def want(ask: Table, need: Need) -> Want:
    judged = {cell.label: need("judge", cell.comparison) for cell in ask.cells}
    params = {"cells": [_row(cell, judged[cell.label], need) for cell in ask.cells]}
    if ask.difficulty:
        params["difficulty"] = ask.difficulty
    asked = {need("prepare", Data("instructions", cell.comparison.candidate.instructions)) for cell in ask.cells}
    return Want(ask.name, params, {**judged, **{"instructions": a for a in asked}})


def run(job: Job) -> None:
    from winsweep.report.table import write

    write(job)


def _row(cell: Cell, judged: Artifact, need: Need) -> dict:
    made = {"generate": judged.inputs["candidate"].digest, "judge": judged.digest}
    if cell.training:
        made["finetune"] = need("finetune", cell.training).digest
    return {"label": cell.label, "model": cell.model, "task": cell.task, "seed": cell.seed, "varying": dict(cell.varying),
            "leave_out": list(cell.leave_out), "keys": made}


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt import main

    main(Path(sys.argv[1]))
