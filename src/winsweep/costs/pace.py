"""What the finished results of a store say about the time that a study still takes."""

import json
import time
from collections.abc import Iterable, Mapping
from itertools import islice

from winsweep.artifact import Artifact
from winsweep.costs import estimate
from winsweep.costs.estimate import Pace
from winsweep.house import House
from winsweep.plan import Item
from winsweep.store.store import RECORD

SAMPLE = 50  # results of a stage that are read; a median needs no more, and a shared disk is slow


def paces(house: House, stages: Iterable[str]) -> dict[str, Pace]:
    """Stage to the pace of its finished results, those that this study wants first; nothing for a stage that has none."""
    published, own = house.store.published(), {a.key for a in house.order}
    keys = sorted(published, key=lambda key: key not in own)
    found = {}
    for stage in set(stages):
        of_stage = (published[key] / RECORD for key in keys if key.startswith(f"{stage}/"))
        records = [json.loads(path.read_bytes()) for path in islice(of_stage, SAMPLE)]
        if made := estimate.pace(records):
            found[stage] = made
    return found


def end(house: House, items: Iterable[Item], busy: Mapping[str, float]) -> tuple[float | None, list[str]]:
    """Seconds until all that can still be made is made, and the stages that nothing is known of (then the seconds are None).

    `busy`: key of each attempt that runs now to the share of it that is done; as many are taken to run from now on.
    """
    open_ones = [i.artifact for i in items if i.state in ("ready", "waiting", "running") and i.artifact.stage != "aggregate"]
    known = paces(house, {a.stage for a in open_ones})
    left = {a.key: _left(house, a, known.get(a.stage), busy.get(a.key, 0.0)) for a in open_ones}
    unknown = sorted({a.stage for a in open_ones if left[a.key] is None})
    if unknown or not busy:
        return None, unknown
    return estimate.makespan_s(left, {a.key: [i.key for i in a.needs] for a in open_ones}, len(busy)), []


def share_done(house: House, key: str) -> tuple[float, float]:
    """How far a running attempt says that it is, as a fraction, and for how many seconds it has been counting."""
    try:
        told = json.loads((house.store.work(key) / "progress.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return 0.0, 0.0
    return told["done"] / max(1, told["total"]), max(0.0, time.time() - told.get("begun", time.time()))


def _left(house: House, a: Artifact, known: Pace | None, share: float) -> float | None:
    return estimate.left_s(known and known.seconds, share, share_done(house, a.key)[1])
