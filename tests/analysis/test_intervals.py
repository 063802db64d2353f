"""Intervals of shares: known values, a bootstrap over groups as the reference, and the edges where a bootstrap has no
width.
"""

import numpy as np
import pytest

from winsweep.analysis.intervals import share_of


def bootstrap(groups: list[list[bool]], draws: int = 4000) -> tuple[float, float]:
    rng, wins, sizes = np.random.default_rng(0), np.array([sum(g) for g in groups]), np.array([len(g) for g in groups])
    weights = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), draws)
    return tuple(np.quantile(weights @ wins / (weights @ sizes), [0.025, 0.975]))


def test_single_cases_have_wilsons_interval():
    """81 of 263, the example of Newcombe (1998, Statistics in Medicine 17:857): 0.2553 to 0.3662."""
    found = share_of([[True]] * 81 + [[False]] * 182)
    assert (found.share, found.num) == (81 / 263, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_cases_in_groups_have_the_bootstraps_interval(alike):
    rng = np.random.default_rng(1)
    groups = [
        [bool(b) for b in rng.random(5) < (0.8 if rng.random() > alike else float(rng.random() < 0.8))]
        for _ in range(400)
    ]
    found = share_of(groups)
    assert (found.low, found.high) == pytest.approx(bootstrap(groups), abs=0.004)


def test_where_all_are_alike_every_group_counts_once():
    found = share_of([[True] * 5] * 100)
    assert found.high == pytest.approx(1) and found.low == pytest.approx(1 / (1 + 3.841459 / 100)) and found.share == 1


def test_no_cases_are_refused():
    with pytest.raises(ValueError, match="no cases"):
        share_of([[]])
