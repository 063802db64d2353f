"""Win rates of groups of instructions: by hand, and as parts of the whole."""

import numpy as np
import pytest

from winsweep.stats.by_group import group_rate, length_ranges
from winsweep.stats.paired import raw


def test_the_mean_over_seeds_and_rows_with_an_interval_around_it():
    wins_SN = np.array([[1.0, 0, 1, 1, 0.5, 1], [0.0, 0, 1, 1, 1, 1]])
    found = group_rate(wins_SN)
    assert (found.n, found.win_rate_pct) == (6, pytest.approx(100 * wins_SN.mean()))
    assert 0 < found.low_pct < found.win_rate_pct < found.high_pct < 100


def test_one_seed_has_the_interval_of_the_table():
    wins_N = np.array([1.0, 0, 1, 1, 0.5, 1])
    found, alone = group_rate(wins_N[None]), raw(wins_N, "")
    assert (found.low_pct, found.high_pct) == pytest.approx((alone.low_pct, alone.high_pct))


@pytest.mark.parametrize(("won", "ends"), [(0.0, (0, 35.43)), (1.0, (64.57, 100))])
def test_all_won_or_all_lost_is_not_certain_however_many_seeds_repeat_it(won, ends):
    for num_seeds in (1, 2, 5):
        found = group_rate(np.full((num_seeds, 7), won))
        assert (found.low_pct, found.high_pct) == pytest.approx(ends, abs=0.01)


def test_one_row_alone_says_nothing_and_ties_say_half():
    assert group_rate(np.array([[0.5], [0.5]])).__dict__ == {"n": 1, "win_rate_pct": 50, "low_pct": 0, "high_pct": 100}
    assert group_rate(np.full((2, 9), 0.5)).__dict__ == {"n": 9, "win_rate_pct": 50, "low_pct": 50, "high_pct": 50}


def test_seeds_that_differ_without_spread_inside_keep_an_interval():
    found = group_rate(np.array([[0.0] * 8, [1.0] * 8]))
    assert found.win_rate_pct == 50 and found.low_pct < 10 and found.high_pct > 90


@pytest.mark.parametrize(
    ("lengths", "ranges"),
    [
        ([3, 1, 2, 4, 5, 6, 7, 8], [(1, 2), (3, 4), (5, 6), (7, 8)]),
        ([5, 5, 5, 5, 5], [(5, 5)]),
        ([5, 5, 5, 5, 9], [(5, 9)]),
        ([1, 1, 1, 9, 9, 9], [(1, 8), (9, 9)]),
        ([4], [(4, 4)]),
    ],
)
def test_ranges_hold_every_length_once(lengths, ranges):
    assert length_ranges(lengths) == ranges
