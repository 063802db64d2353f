"""Intervals over seeds and instructions hold what they say; Holm's correction is the textbook's."""

import numpy as np
import pytest

from winsweep.stats.paired import raw
from winsweep.stats.uncertainty import Z95, difference, estimate, holm, interval_pct, over_seeds


def study(
    rng: np.random.Generator, seeds: int, rows: int, seed_sd: float, row_sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values of an arm whose truth is 0: each seed has an effect, each instruction has one, and each answer noise."""
    wins_SN = rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, row_sd, rows) + rng.normal(0, row_sd, (seeds, rows))
    return wins_SN.mean(axis=1), wins_SN - wins_SN.mean(axis=1, keepdims=True)


@pytest.mark.parametrize(("seed_sd", "row_sd"), [(2.0, 1.0), (0.0, 10.0), (1.0, 15.0)])
def test_nineteen_of_twenty_intervals_hold_the_truth(seed_sd, row_sd):
    rng = np.random.default_rng(0)
    found = [over_seeds(*study(rng, 5, 100, seed_sd, row_sd)) for _ in range(600)]
    assert 0.93 <= np.mean([e.low <= 0 <= e.high for e in found]) <= 0.985


def test_instructions_alone_would_be_too_sure_of_seeds_that_differ():
    rng = np.random.default_rng(1)
    values, psi = study(rng, 5, 100, 3.0, 1.0)
    assert over_seeds(values, psi).error > 5 * psi.mean(axis=0).std(ddof=1) / 10
    assert over_seeds(values, psi).freedom < 5


def test_one_seed_has_the_error_over_instructions():
    psi = np.random.default_rng(2).normal(size=(1, 80))
    found = over_seeds(np.array([7.0]), psi)
    assert (found.value, found.freedom) == (7.0, 79) and found.error == pytest.approx(psi.std(ddof=1) / 80**0.5)


@pytest.mark.parametrize("are_matched", [True, False])
def test_a_difference_is_as_sure_as_the_arms_share(are_matched):
    rng, found = np.random.default_rng(3), []
    for _ in range(400):
        shared = rng.normal(0, 10, 100)  # instructions are hard for both arms
        arms = [shared + rng.normal(0, 1, (5, 1)) + rng.normal(0, 5, (5, 100)) for _ in range(2)]
        values, psis = [a.mean(axis=1) for a in arms], [a - a.mean(axis=1, keepdims=True) for a in arms]
        found.append(difference(values[0], psis[0], values[1], psis[1], are_matched))
        assert found[-1].error < over_seeds(values[0], psis[0]).error * 1.5
    assert 0.93 <= np.mean([e.low <= 0 <= e.high for e in found]) <= 0.99


def test_an_arm_without_spread_is_no_miracle():
    zero = np.zeros((2, 50))
    assert over_seeds(np.array([0.0, 0.0]), zero, least_error=1.8).error == 1.8
    same = difference(np.array([50.0]), zero[:1], np.array([50.0]), zero[:1], True)
    assert (same.error, same.p_of(0.0)) == (0.0, 1.0)


def test_p_is_the_t_test_s():
    assert estimate(2.0, 1.0, 10).p_of(0.0) == pytest.approx(0.07339, abs=1e-5)
    assert estimate(2.0, 1.0, 10).high == pytest.approx(2 + 2.22814, abs=1e-5)


def test_intervals_stay_within_the_scale_and_mirror_each_other():
    low, high = interval_pct(2.0, 1.5, 800)
    assert 0 < low < 2 - 1.5 < 2 + 1.96 * 1.5 < high and interval_pct(98.0, 1.5, 800) == pytest.approx(
        (100 - high, 100 - low)
    )
    assert interval_pct(50.0, 1.0, 1e9) == pytest.approx((48.04, 51.96), abs=0.01) and interval_pct(50.0, 0.0, 9) == (
        50.0,
        50.0,
    )
    assert interval_pct(0.0, 1.0, 9) == pytest.approx((0.0, 3.92), abs=0.01)
    assert interval_pct(100.0, 1.0, 9) == pytest.approx((96.08, 100.0), abs=0.01)


def test_seeds_that_lose_everything_are_no_surer_than_one():
    """Wilson's interval of one seed, from the error that stands for it."""
    one = raw(np.zeros(84), "")
    least = estimate(0.0, one.standard_error_pct**2, 83)
    assert interval_pct(least.value, least.error, least.freedom) == pytest.approx((one.low_pct, one.high_pct))
    assert one.high_pct == pytest.approx(100 * Z95**2 / (84 + Z95**2))


def test_holm_is_the_textbook_s():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]
