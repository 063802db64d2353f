"""What a study cost: GPU-hours by stage from the records of its results, and dollars by the judges' ledgers."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from winsweep.artifact import Artifact
from winsweep.errors import WinsweepError
from winsweep.judge import asked, prices
from winsweep.judge.questions import ask_about
from winsweep.placement import num_gpus
from winsweep.store import small_files
from winsweep.store.claim import read_end
from winsweep.store.store import RECORD
from winsweep.study import jury
from winsweep.study.cell import Judge, judge_of
from winsweep.workspace import STAGES, Workspace


def cost(workspace: Workspace) -> dict[str, Any]:
    """`stages`: of each stage with finished results `stage`, `num` (results), `hours` (of attempts that made them, wall
    clock), `gpu_hours`, `failed` (attempts that made nothing) and `failed_gpu_hours` (of those that said how long they
    took); `devices`: what made them; `judges`: see `_spent`.

    Results count once, also those that another study of the store made. What has been removed since counts nothing.
    """
    published = workspace.store.published()
    rows: dict[str, dict[str, Any]] = {}
    devices: dict[str, int] = {}
    for a in workspace.order:
        record = read_record(published[a.key]) if a.key in published else {}
        failed = _failed(workspace, a.key)
        if record or failed:
            row = rows.setdefault(a.stage, {"stage": a.stage, "num": 0} | dict.fromkeys(AMOUNTS, 0.0))
            _count(row, record, failed)
        if record.get("device"):
            devices[record["device"]] = devices.get(record["device"], 0) + 1
    order = [*STAGES, "aggregate"]
    return {
        "stages": sorted(rows.values(), key=lambda row: order.index(row["stage"])),
        "devices": devices,
        "judges": _spent(workspace, published),
    }


AMOUNTS = ("hours", "gpu_hours", "failed", "failed_gpu_hours")


def read_record(made: Path) -> dict[str, Any]:
    try:
        return json.loads((made / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}


def _count(row: dict[str, Any], record: Mapping[str, Any], failed: Iterable[tuple[float, int]]) -> None:
    if record:
        hours = record.get("seconds", 0.0) / 3600
        row["num"] += 1
        row["hours"] += hours
        row["gpu_hours"] += hours * _gpus_seen(record)
    for seconds, gpus in failed:
        row["failed"] += 1
        row["failed_gpu_hours"] += seconds / 3600 * gpus


def _gpus_seen(record: Mapping[str, Any]) -> int:
    """The GPUs that an attempt asked for; none where it found none: a machine without any runs the same on its CPUs."""
    return 0 if record.get("device") == "cpu" else num_gpus(record.get("placement", {}))


def _failed(workspace: Workspace, key: str) -> list[tuple[float, int]]:
    """Seconds and GPUs of each attempt at `key` that ended without a result."""
    work, found = workspace.store.work(key), []
    for path in sorted((work / "ends").glob("*.json")):
        end, placed = read_end(path) or {}, (small_files.mapping(work / "spec.json") or {}).get("placement", {})
        if end.get("kind") != "done" and small_files.is_time(seconds := end.get("seconds", 0.0)):
            with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):  # of a placement that is none
                found.append((float(seconds), num_gpus(placed)))
    return found


def _spent(workspace: Workspace, published: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Of each judge that is paid by the token: `judge`, `model`, `comparisons`, `asked` (questions of all comparisons),
    `judgements` (different ones, which were paid for once), `tokens_in`, `tokens_out`, `dollars` by the table of prices
    of `prices_of` (None: no price is known).
    """
    of: dict[Path, list[tuple[Judge, Artifact]]] = {}
    for a in workspace.order:
        if a.stage == "judge" and a.key in published:
            for judge in jury.members(judge_of(a)):
                of.setdefault(asked.ledger_of(judge, workspace.store.root).folder, []).append((judge, a))
    return [told for made in of.values() if (told := _of_judge(workspace, made, published))]


def _of_judge(
    workspace: Workspace, made: list[tuple[Judge, Artifact]], published: Mapping[str, Path]
) -> dict[str, Any] | None:
    judge = made[0][0]
    workload = _workload(judge)
    if workload is None:
        return None
    questions = [
        shown.question
        for _, a in made
        for row in json.loads((published[a.key] / "annotations.json").read_bytes())
        for shown in ask_about(row, workload.order, workload.samples)
    ]
    known = asked.ledger_of(judge, workspace.store.root).find(set(questions))
    tokens = [sum(j.tokens[side] for j in known.values()) for side in (0, 1)]
    price = prices.price_of(workload.model)
    return {
        "judge": judge.name,
        "model": workload.model,
        "comparisons": len(made),
        "asked": len(questions),
        "judgements": len(known),
        "tokens_in": tokens[0],
        "tokens_out": tokens[1],
        "dollars": price.dollars(*tokens) if price else None,
        "prices_of": prices.table()[0].isoformat(),
    }


def _workload(judge: Judge) -> prices.Workload | None:
    """What a judge asks of an endpoint; None also for one whose own files cannot be read any more."""
    try:
        return prices.workload_of(judge)
    except (WinsweepError, OSError):
        return None
