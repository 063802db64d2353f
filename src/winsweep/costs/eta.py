"""What the finished results of a store say about the time that a study still takes."""

import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from statistics import median

from winsweep.artifact import Artifact
from winsweep.costs import durations
from winsweep.costs.durations import Pace
from winsweep.plan import Item
from winsweep.store import small_files
from winsweep.store.store import RECORD
from winsweep.workspace import Workspace

SAMPLE = 50  # results of a stage that are read; a median needs no more, and a shared disk is slow
OWN_PACE = 0.1  # from this share on, an attempt's own pace says more than others'


class Records:
    """The records of finished results of a store, each read once however often it is asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self.store, self.own = workspace.store, {a.key: a for a in workspace.order}
        self.published: Mapping[str, Path] = {}
        self.known: dict[str, dict] = {}

    def refresh(self) -> None:
        """Look which results there are."""
        self.published = self.store.published()

    def of(self, key: str) -> dict | None:
        """The record of a result; None where it is not there."""
        if key not in self.known and key in self.published:
            with contextlib.suppress(FileNotFoundError):
                self.known[key] = json.loads((self.published[key] / RECORD).read_bytes())
        return self.known.get(key) if key in self.published else None

    def sample(self, stage: str) -> list[dict]:
        """Records of a stage, those that the study wants first."""
        keys = sorted((k for k in self.published if k.startswith(f"{stage}/")), key=lambda key: key not in self.own)
        return [record for key in islice(keys, SAMPLE) if (record := self.of(key)) is not None]


def paces(workspace: Workspace, stages: Iterable[str]) -> dict[str, Pace]:
    """Stage to the pace of its finished results, those that this study wants first; nothing for one that has none."""
    records = Records(workspace)
    records.refresh()
    return {stage: made for stage in set(stages) if (made := durations.pace(records.sample(stage)))}


def end(
    workspace: Workspace,
    items: Iterable[Item],
    busy: Mapping[str, float],
    at_once: int = 0,
    records: Records | None = None,
) -> tuple[float | None, list[str]]:
    """Seconds until all that can still be made is made, and the stages of which too little is known (then the seconds
    are None, as they are while a judge's batch is on its way, of which nobody knows when it ends).

    Finished results count for those of the same model or judge, by their size: a second of a toy says nothing of a 7B
    model, nor 20 rows of 20,000. `busy`: key of each attempt that runs now to the share of it that is done; as many (or
    `at_once`) are taken to run from now on. Who asks again gives the same `records`.
    """
    records, items = records or Records(workspace), list(items)
    records.refresh()
    open_ones = [
        i.artifact for i in items if i.state in ("ready", "waiting", "running") and i.artifact.stage != "aggregate"
    ]
    rates = {stage: _rates(records, stage) for stage in {a.stage for a in open_ones}}
    running_s = {key: share_done(workspace, key)[1] for key, share in busy.items() if share}
    told = {
        a.key: _left(records, a, rates[a.stage], busy.get(a.key, 0.0), running_s.get(a.key, 0.0)) for a in open_ones
    }
    left = {key: seconds for key, seconds in told.items() if seconds is not None}
    unknown = sorted({a.stage for a in open_ones if a.key not in left})
    if unknown or not (busy or at_once) or _waits(items):
        return None, unknown
    return durations.makespan_s(
        left, {a.key: [i.key for i in a.inputs.values()] for a in open_ones}, at_once or len(busy)
    ), []


def why_unknown(items: Iterable[Item], unknown: Iterable[str]) -> str:
    """Why `end` knows no seconds, in words."""
    if unknown:
        return (
            f"nothing of {', '.join(unknown)} has finished yet with the same model or judge and a known number of rows"
        )
    return "a judge's batch is on its way" if _waits(items) else "nothing runs"


def _waits(items: Iterable[Item]) -> bool:
    return any(i.state == "ready" and i.begin for i in items)


def share_done(workspace: Workspace, key: str) -> tuple[float, float]:
    """How far a running attempt says that it is, as a fraction, and for how many seconds it has been counting."""
    told = small_files.mapping(workspace.store.work(key) / "progress.json") or {}
    done, total, begun, now = told.get("done"), told.get("total"), told.get("begun", time.time()), time.time()
    if not (small_files.is_count(done) and small_files.is_count(total) and small_files.is_time(begun)):
        return 0.0, 0.0
    return min(1.0, int(done or 0) / max(1, int(total or 0))), max(0.0, now - float(begun))


def _left(records: Records, a: Artifact, rates: Mapping[str, float], share: float, running_s: float) -> float | None:
    inputs = {name: i.key for name, i in a.inputs.items()}
    kind, size = _kind(records, a.stage, a.plain_params, inputs), _size(records, a.plain_params, inputs)
    known = rates[kind] * size if kind is not None and kind in rates and size else None
    return durations.left_s(None if share >= OWN_PACE else known, share, running_s)


def _rates(records: Records, stage: str) -> dict[str, float]:
    """Seconds for a unit of size, the median of what has finished, by what it was done with; outputs that were compared
    with themselves say nothing of others, as no judge need be asked.
    """
    found: dict[str, list[float]] = {}
    for record in records.sample(stage):
        if "candidate" in record["inputs"] and record["inputs"].get("reference") == record["inputs"]["candidate"]:
            continue
        kind, size = (
            _kind(records, stage, record["params"], record["inputs"]),
            _size(records, record["params"], record["inputs"]),
        )
        if kind is not None and size:
            found.setdefault(kind, []).append(record["seconds"] / size)
    return {kind: median(of) for kind, of in found.items()}


def _kind(records: Records, stage: str, params: Mapping, inputs: Mapping[str, str]) -> str | None:
    """What decides the time beside the size: the model at the bottom, the judge, or what is pretrained; None where its
    trace is lost.
    """
    if stage in ("judge", "pretrain"):
        return json.dumps(params["identity"] if stage == "judge" else params, sort_keys=True, default=str)
    while below := inputs.get("base") or inputs.get("finetune"):
        if below.startswith("pretrain/"):
            return below
        if below in records.own:
            params, inputs = records.own[below].plain_params, {n: i.key for n, i in records.own[below].inputs.items()}
        elif (record := records.of(below)) is not None:
            params, inputs = record["params"], record["inputs"]
        else:
            return None
    return json.dumps(params.get("base", {}).get("source"), sort_keys=True)


def _size(records: Records, params: Mapping, inputs: Mapping[str, str]) -> float | None:
    """Rows that are read or answered, times epochs; 1 for what reads none; None where the rows are not counted yet."""
    rows = inputs.get("examples") or inputs.get("instructions")
    record = records.of(rows) if rows else {"notes": {"num_rows": 1}}
    if record is None:
        return None
    epochs = params.get("stop_after_epochs") or params.get("recipe", {}).get("epochs", 1)
    return record["notes"].get("num_rows", 1) * (epochs if isinstance(epochs, int) else 1)
