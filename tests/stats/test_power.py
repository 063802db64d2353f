"""The power calculation against studies that are simulated and tested by the code that tests a table's arms."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from winsweep.stats import power
from winsweep.stats.power import LEVEL, POWER, PUBLISHED, Noise, detectable, of_parity, of_two_arms
from winsweep.stats.uncertainty import over_seeds_of_many

NUM_STUDIES = 1000


def simulated(parts: power.Parts, mean: float, num: int, num_seeds: int, seed: int) -> list:
    """The estimates of studies whose win has this mean and these parts of variance, by the table's own code."""
    rng = np.random.default_rng(seed)
    shape = (NUM_STUDIES, num_seeds, num)
    wins = rng.normal(mean, math.sqrt(parts.seeds * num_seeds), (NUM_STUDIES, num_seeds, 1))
    wins = wins + rng.normal(0, math.sqrt(parts.rows * num), (NUM_STUDIES, 1, num))
    wins = wins + rng.normal(0, math.sqrt(parts.both * num * num_seeds), shape)
    values = wins.mean(axis=2)
    return over_seeds_of_many(values, wins - values[:, :, None], np.zeros(NUM_STUDIES))


def found(estimates: list, level: float) -> int:
    return sum(e.p_of(0.0) < level for e in estimates)


def within(count: int, share: float) -> bool:
    """Whether so many of the studies are what a share of them may give, 999 times in 1000."""
    low, high = binom.interval(0.999, NUM_STUDIES, share)
    return low <= count <= high


@pytest.mark.parametrize("of", [of_parity, of_two_arms])
@pytest.mark.parametrize(("num", "num_seeds", "tests"), [(200, 1, 1), (200, 3, 1), (200, 5, 6), (60, 2, 1)])
def test_the_detectable_difference_is_found_four_times_in_five(of, num, num_seeds, tests):
    parts = of(PUBLISHED, num, num_seeds)
    difference = detectable(parts, num, num_seeds, tests)
    estimates = simulated(parts, difference, num, num_seeds, seed=num + num_seeds)
    assert within(found(estimates, LEVEL / tests), POWER)


def test_where_seeds_decide_power_is_still_that_of_the_test():
    noise = Noise(41.0, 0.5, 0.3, 6.0, "seeds that differ much")
    parts = of_parity(noise, 200, 3)
    difference = detectable(parts, 200, 3)
    assert within(found(simulated(parts, difference, 200, 3, seed=7), LEVEL), POWER)
    assert within(
        found(simulated(parts, difference / 2, 200, 3, seed=8), LEVEL), power.power(difference / 2, parts, 200, 3)
    )


def test_wins_that_are_whole_or_none_are_found_as_often():
    rng, num = np.random.default_rng(3), 805
    noise = Noise(50.0, 0.7, 0.37, 0.0, "coins")
    difference = detectable(of_parity(noise, num, 1), num, 1)
    wins = 100.0 * (rng.random((NUM_STUDIES, 1, num)) < 0.5 + difference / 100)
    values = wins.mean(axis=2)
    estimates = over_seeds_of_many(values - 50, wins - values[:, :, None], np.zeros(NUM_STUDIES))
    assert within(found(estimates, LEVEL), POWER)


def test_more_of_anything_finds_less_and_more_tests_find_more():
    of = [detectable(of_parity(PUBLISHED, num, s), num, s, m) for num, s, m in ((805, 3, 1), (200, 3, 1), (805, 1, 1))]
    assert of[0] < of[1] and of[0] < of[2]
    assert detectable(of_parity(PUBLISHED, 805, 3), 805, 3, 10) > of[0]
    reference = (1.959964 + 0.841621) * 41.0 / math.sqrt(100_000)  # one seed, many instructions: the textbook's z
    assert detectable(of_parity(PUBLISHED, 100_000, 1), 100_000, 1) == pytest.approx(reference, rel=1e-3)


def needed(difference: float, seeds: float, rows: float, both: float, num: int, num_seeds: int) -> float:
    parts = np.array([[seeds, rows, both]])
    return float(
        power.instructions_needed(np.array([difference]), parts, np.array([num]), np.array([num_seeds]), LEVEL)[0]
    )


def test_the_number_that_is_needed_finds_the_difference():
    noise, difference = Noise(41.0, 0.7, 0.37, 0.5, ""), 4.0
    seen = of_two_arms(noise, 100, 3)
    num = round(needed(difference, seen.seeds + seen.both, seen.rows + seen.both, seen.both, 100, 3))
    assert power.power(difference, of_two_arms(noise, num, 3), num, 3) == pytest.approx(POWER, abs=0.03)
    one = of_two_arms(noise, 100, 1)
    num = round(needed(difference, 0.0, one.rows + one.both, 0.0, 100, 1))
    assert power.power(difference, of_two_arms(noise, num, 1), num, 1) == pytest.approx(POWER, abs=0.01)


def test_no_number_of_instructions_stands_in_for_seeds():
    assert np.isnan(needed(1.0, 4.0, 2.0, 0.5, 100, 3))
    assert np.isnan(needed(0.0, 0.0, 2.0, 0.0, 100, 1)) and np.isnan(needed(5.0, 0.0, 0.0, 0.0, 100, 1))


def test_noise_is_read_from_arms_as_it_was_put_in():
    rng, num, num_seeds = np.random.default_rng(5), 4000, 12
    common = rng.normal(0, math.sqrt(0.3), num)
    arms = []
    for _ in range(4):
        own = common + rng.normal(0, math.sqrt(0.4), num)
        wins = 40 * (own + rng.normal(0, math.sqrt(0.3), (num_seeds, num))) + rng.normal(50, 3, (num_seeds, 1))
        arms.append((wins.mean(axis=1), wins - wins.mean(axis=1, keepdims=True)))
    found = power.noise_of(arms, "here")
    assert found and (found.row, found.seed) == (pytest.approx(40, rel=0.05), pytest.approx(3, rel=0.3))
    assert (found.between_seeds, found.between_arms) == (pytest.approx(0.7, abs=0.03), pytest.approx(0.3, abs=0.05))
    assert power.noise_of(arms[:1], "") is None and power.noise_of([(v[:1], p[:1]) for v, p in arms], "") is None


def test_one_instruction_finds_nothing():
    assert math.isinf(detectable(of_parity(PUBLISHED, 1, 1), 1, 1))
    assert math.isinf(detectable(of_two_arms(PUBLISHED, 1, 3), 1, 3))
