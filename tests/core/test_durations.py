"""What a plan asks for and when it may end, against schedules worked out by hand and by a slower rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winsweep.costs.durations import duration, left_s, makespan_s, most_gpu_hours, pace
from winsweep.placement import Placement


def record(seconds: float, ranks: int = 1, gpus_per_rank: int = 0) -> dict:
    return {"seconds": seconds, "placement": {"ranks": ranks, "gpus_per_rank": gpus_per_rank}}


def test_a_pace_is_the_middle_of_finished_results_and_counts_the_gpus_they_had():
    assert pace([]) is None
    found = pace([record(60, 8, 1), record(7200, 2, 2), record(3600, 4, 1)])
    assert (found.seconds, found.num) == (3600, 3) and found.gpu_hours == 4.0
    assert pace([record(10), record(20)]).gpu_hours == 0


def test_what_is_asked_is_tasks_times_gpus_times_the_limit():
    assert most_gpu_hours(Placement(ranks=8, nodes=2, gpus_per_rank=1, time_min=90), 10) == 120.0
    assert most_gpu_hours(Placement(ranks=8, nodes=2), 10) == 0.0


def test_what_is_left_of_an_attempt():
    assert left_s(100.0, 0.25, running_s=9999.0) == 75.0
    assert left_s(None, 0.2, running_s=10.0) == pytest.approx(40.0)  # its own pace
    assert left_s(None, 0.0, running_s=10.0) is None


def test_chains_and_rooms_bound_the_end():
    chain = {"tune": 100.0, "collect": 5.0, "generate": 20.0}
    needs = {"collect": ["tune"], "generate": ["collect", "asked"]}
    assert makespan_s(chain, needs, at_once=50) == 125.0  # what is done ("asked") is not waited for
    assert makespan_s({str(n): 10.0 for n in range(7)}, {}, at_once=3) == 30.0
    assert makespan_s({}, {}, at_once=2) == 0.0
    # b takes the second room at once; c starts when a ends, although b still runs
    assert makespan_s({"a": 2.0, "b": 9.0, "c": 3.0}, {"c": ["a"]}, at_once=2) == 9.0
    # d needs both: it starts when the later of them ends, whichever was looked at last
    assert (
        makespan_s({"a": 2.0, "b": 9.0, "d": 1.0}, {"d": ["a", "b"]}, 2)
        == makespan_s({"a": 9.0, "b": 2.0, "d": 1.0}, {"d": ["a", "b"]}, 2)
        == 10.0
    )


@given(st.lists(st.tuples(st.integers(1, 9), st.sets(st.integers(0, 11), max_size=3)), max_size=12), st.integers(1, 4))
def test_the_estimate_is_a_schedule_and_no_slower_than_one_after_the_other(work, at_once):
    needed = {str(n): float(seconds) for n, (seconds, _) in enumerate(work)}
    inputs = {str(n): [str(i) for i in wanted if i < n] for n, (_, wanted) in enumerate(work)}
    path: dict[str, float] = {}
    for key, seconds in needed.items():
        path[key] = seconds + max((path[i] for i in inputs[key]), default=0.0)
    least = max(max(path.values(), default=0.0), sum(needed.values()) / at_once)
    assert least - 1e-9 <= makespan_s(needed, inputs, at_once) <= min(2 * least, sum(needed.values())) + 1e-9


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (7199, "2 h 00 min"), (3 * 86400, "72 h 00 min")]
)
def test_durations_in_words(seconds, said):
    assert duration(seconds) == said
