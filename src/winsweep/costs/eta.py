"""What the finished results of a store say about the time that a study still takes."""

import json
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from statistics import median

from winsweep.artifact import Artifact
from winsweep.costs import durations
from winsweep.costs.durations import Pace
from winsweep.errors import MissingInput
from winsweep.plan import Item
from winsweep.store.store import RECORD
from winsweep.workspace import Workspace

SAMPLE = 50  # results of a stage that are read; a median needs no more, and a shared disk is slow
OWN_PACE = 0.1  # from this share on, an attempt's own pace says more than others'


def paces(workspace: Workspace, stages: Iterable[str]) -> dict[str, Pace]:
    """Stage to the pace of its finished results, those that this study wants first; nothing for one that has none."""
    return {stage: made for stage in set(stages) if (made := durations.pace(_records(workspace, stage)))}


def _records(workspace: Workspace, stage: str) -> list[dict]:
    published, own = workspace.store.published(), {a.key for a in workspace.order}
    keys = sorted(published, key=lambda key: key not in own)
    return [
        json.loads((published[key] / RECORD).read_bytes())
        for key in islice((k for k in keys if k.startswith(f"{stage}/")), SAMPLE)
    ]


def end(
    workspace: Workspace, items: Iterable[Item], busy: Mapping[str, float], at_once: int = 0
) -> tuple[float | None, list[str]]:
    """Seconds until all that can still be made is made, and the stages of which too little is known (then the seconds
    are None).

    Finished results count for those of the same model or judge, by their size: a second of a toy says nothing of a 7B
    model, nor 20 rows of 20,000. `busy`: key of each attempt that runs now to the share of it that is done; as many (or
    `at_once`) are taken to run from now on.
    """
    open_ones = [
        i.artifact for i in items if i.state in ("ready", "waiting", "running") and i.artifact.stage != "aggregate"
    ]
    rates = {stage: _rates(workspace, stage) for stage in {a.stage for a in open_ones}}
    told = {a.key: _left(workspace, a, rates[a.stage], busy.get(a.key, 0.0)) for a in open_ones}
    left = {key: seconds for key, seconds in told.items() if seconds is not None}
    unknown = sorted({a.stage for a in open_ones if a.key not in left})
    if unknown or not (busy or at_once):
        return None, unknown
    return durations.makespan_s(
        left, {a.key: [i.key for i in a.inputs.values()] for a in open_ones}, at_once or len(busy)
    ), []


def share_done(workspace: Workspace, key: str) -> tuple[float, float]:
    """How far a running attempt says that it is, as a fraction, and for how many seconds it has been counting."""
    try:
        told = json.loads((workspace.store.work(key) / "progress.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return 0.0, 0.0
    return told["done"] / max(1, told["total"]), max(0.0, time.time() - told.get("begun", time.time()))


def _left(workspace: Workspace, a: Artifact, rates: Mapping[str, float], share: float) -> float | None:
    inputs = {name: i.key for name, i in a.inputs.items()}
    kind, size = _kind(workspace, a.stage, a.plain_params, inputs), _size(workspace, a.plain_params, inputs)
    known = rates[kind] * size if kind is not None and kind in rates and size else None
    return durations.left_s(None if share >= OWN_PACE else known, share, share_done(workspace, a.key)[1])


def _rates(workspace: Workspace, stage: str) -> dict[str, float]:
    """Seconds for a unit of size, the median of what has finished, by what it was done with."""
    found: dict[str, list[float]] = {}
    for record in _records(workspace, stage):
        kind, size = (
            _kind(workspace, stage, record["params"], record["inputs"]),
            _size(workspace, record["params"], record["inputs"]),
        )
        if kind is not None and size:
            found.setdefault(kind, []).append(record["seconds"] / size)
    return {kind: median(of) for kind, of in found.items()}


def _kind(workspace: Workspace, stage: str, params: Mapping, inputs: Mapping[str, str]) -> str | None:
    """What decides the time beside the size: the model at the bottom, the judge, or what is pretrained; None where its
    trace is lost.
    """
    if stage in ("judge", "pretrain"):
        return json.dumps(params["identity"] if stage == "judge" else params, sort_keys=True, default=str)
    own = {a.key: a for a in workspace.order}
    while below := inputs.get("base") or inputs.get("finetune"):
        if below.startswith("pretrain/"):
            return below
        if below in own:
            params, inputs = own[below].plain_params, {n: i.key for n, i in own[below].inputs.items()}
        elif (record := _record(workspace, below)) is not None:
            params, inputs = record["params"], record["inputs"]
        else:
            return None
    return json.dumps(params.get("base", {}).get("source"), sort_keys=True)


def _size(workspace: Workspace, params: Mapping, inputs: Mapping[str, str]) -> float | None:
    """Rows that are read or answered, times epochs; 1 for what reads none; None where the rows are not counted yet."""
    rows = inputs.get("examples") or inputs.get("instructions")
    record = _record(workspace, rows) if rows else {"notes": {"num_rows": 1}}
    if record is None:
        return None
    epochs = params.get("stop_after_epochs") or params.get("recipe", {}).get("epochs", 1)
    return record["notes"].get("num_rows", 1) * (epochs if isinstance(epochs, int) else 1)


def _record(workspace: Workspace, key: str) -> dict | None:
    try:
        return json.loads((workspace.store.find(key) / RECORD).read_bytes())
    except (MissingInput, FileNotFoundError):
        return None
