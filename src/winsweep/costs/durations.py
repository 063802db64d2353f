"""How much a plan asks for and how long it may still take, from limits and from the times of finished results: pure."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from winsweep.placement import Placement


@dataclass(frozen=True)
class Pace:
    """What one result of a stage took, in the middle of `num` finished ones."""

    seconds: float
    gpu_hours: float
    num: int


def pace(records: Sequence[Mapping]) -> Pace | None:
    """The medians over record.json of finished results of one stage; None of none. GPU-hours count the GPUs that each
    had.
    """
    if not records:
        return None
    gpus = [r["placement"]["ranks"] * r["placement"]["gpus_per_rank"] for r in records]
    return Pace(
        median(r["seconds"] for r in records),
        median(r["seconds"] * n / 3600 for r, n in zip(records, gpus, strict=True)),
        len(records),
    )


def most_gpu_hours(placed: Placement, num_tasks: int) -> float:
    """GPU-hours of tasks that use all the time they ask for, once."""
    return num_tasks * placed.gpus * placed.time_min / 60


def left_s(stage_s: float | None, share_done: float, running_s: float) -> float | None:
    """Seconds that an attempt still needs: what its stage takes, less its share; by its own pace where none of its
    stage has finished.
    """
    if stage_s is not None:
        return stage_s * (1 - share_done)
    return running_s * (1 - share_done) / share_done if share_done else None


def makespan_s(needed_s: Mapping[str, float], inputs: Mapping[str, Sequence[str]], at_once: int) -> float:
    """Seconds until everything of `needed_s` is done, if `at_once` run at a time and each starts when it can.

    Greedy list scheduling: what is ready first is started first, after those of its `inputs` that are in `needed_s`
    too. Never more than twice the best order (Graham, 1966).
    """
    users: dict[str, list[str]] = {}
    num_waits = {key: sum(i in needed_s for i in set(inputs.get(key, ()))) for key in needed_s}
    for key in needed_s:
        for i in set(inputs.get(key, ())):
            users.setdefault(i, []).append(key)
    ready = [(0.0, key) for key, num in num_waits.items() if not num]
    heapq.heapify(ready)
    free, ends = [0.0] * at_once, {}
    while ready:
        when, key = heapq.heappop(ready)
        ends[key] = max(when, free[0]) + needed_s[key]
        heapq.heapreplace(free, ends[key])
        for user in users.get(key, ()):
            num_waits[user] -= 1
            if not num_waits[user]:
                heapq.heappush(ready, (max(ends[i] for i in inputs[user] if i in ends), user))
    return max(free)


def duration(seconds: float) -> str:
    """A length of time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
