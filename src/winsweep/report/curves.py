"""Training curves of the cells' finetunes: loss and learning rate by step, thinned out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from winsweep import training_log
from winsweep.workspace import Workspace, trained_as

MOST_POINTS = 120  # of a curve
SHOWN = ("loss", "lr")


def curves(workspace: Workspace, labels: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Of each finetune that is there: `cells` (labels of those that it serves), `model`, `task`, `name` (its label),
    `seed`, `steps` (in all), `step`, `loss`, `lr` (lists of equal length; means over as many steps), `tokens_per_s`
    (median), `is_whole`.
    """
    published = workspace.store.published()
    found: dict[str, dict[str, Any]] = {}
    for cell in workspace.study.table.cells:
        if cell.training is None or cell.label not in workspace.judged:
            continue
        made = workspace.need("finetune", cell.training)
        if made.key in found:
            found[made.key]["cells"].append(cell.label)
        elif made.key in published and (lines := log_lines(published[made.key] / training_log.NAME)):
            own = trained_as(workspace, cell)
            names = {"cells": [cell.label], "model": own.model, "task": own.task, "name": made.label}
            varying = " ".join(f"{name}={value}" for name, value in own.varying)
            found[made.key] = names | {"varying": varying, "seed": own.seed} | thinned(lines)
    return list(found.values())


def log_lines(path: Path) -> list[dict[str, Any]]:
    """The steps of a training log, without held-out losses; none where it is gone."""
    return [row for row in training_log.rows(path) if {"step", "loss"} <= row.keys()]


def thinned(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """At most MOST_POINTS points, each the mean of as many steps as the others; the last may be of fewer."""
    every = -(-len(lines) // MOST_POINTS)
    parts = [lines[i : i + every] for i in range(0, len(lines), every)]
    speeds = sorted(line["tokens_per_s"] for line in lines if "tokens_per_s" in line)
    return {
        "steps": lines[-1]["step"],
        "every": every,
        "step": [round(fmean(line["step"] for line in part), 1) for part in parts],
        **{name: [_mean(part, name) for part in parts] for name in SHOWN},
        "first_loss": lines[0].get("loss"),
        "last_loss": lines[-1].get("loss"),
        "tokens_per_s": speeds[len(speeds) // 2] if speeds else None,
    }


def _mean(part: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [line[name] for line in part if isinstance(line.get(name), (int, float))]
    found = fmean(values) if values else float("nan")
    return float(f"{found:.5g}") if found - found == 0 else None  # a JSON value: no NaN, no infinity
