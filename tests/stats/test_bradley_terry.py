"""Strengths of arms beside a five-line reference, their errors beside a bootstrap, and what no likelihood ranks."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from winsweep.stats.bradley_terry import HALF, Wins, is_connected, rank

PAIRS = np.array([[0, 1], [0, 2], [3, 0], [1, 2], [1, 3], [2, 3]])
TRUE = np.array([0.8, 0.1, -0.2, -0.7])


def made(num: int, num_seeds: int = 1, seed: int = 0, of_instruction: float = 0.0, ties: float = 0.0) -> Wins:
    """Wins by the model, a share of them replaced by ties, with strengths that differ by instruction."""
    rng = np.random.default_rng(seed)
    strengths = TRUE + of_instruction * rng.normal(size=(num, 4))
    p = expit(strengths[:, PAIRS[:, 0]] - strengths[:, PAIRS[:, 1]]).T
    wins = (rng.random((6, num_seeds, num)) < p[:, None]).astype(float)
    wins[rng.random(wins.shape) < ties] = 0.5
    return Wins(4, PAIRS, wins)


def reference(found: Wins) -> np.ndarray:
    """The maximum of the likelihood by a general optimiser."""

    def loss(b: np.ndarray) -> float:
        p = expit(b[found.pairs_C2[:, 0]] - b[found.pairs_C2[:, 1]])[:, None, None]
        return -np.nansum(found.wins_CSN * np.log(p) + (1 - found.wins_CSN) * np.log(1 - p)) + b.sum() ** 2

    return minimize(loss, np.zeros(found.num_arms), tol=1e-12).x


def test_strengths_are_the_maximum_of_the_likelihood():
    found = made(200, num_seeds=2, ties=0.1)
    found.wins_CSN[0, 1, :50] = np.nan  # not all was compared
    assert [e.value for e in rank(found).strengths] == pytest.approx(reference(found), abs=1e-4)
    turned = Wins(4, PAIRS[:, ::-1], 1 - found.wins_CSN)
    assert [e.value for e in rank(turned).strengths] == pytest.approx(
        [e.value for e in rank(found).strengths], abs=1e-9
    )


def test_errors_are_those_of_other_instructions():
    found = made(400, of_instruction=1.0)
    rng = np.random.default_rng(1)
    draws = [
        [e.value for e in rank(Wins(4, PAIRS, found.wins_CSN[:, :, rng.integers(0, 400, 400)])).strengths]
        for _ in range(200)
    ]
    assert [e.error for e in rank(found).strengths] == pytest.approx(np.std(draws, axis=0), rel=0.2)


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = sum(
        e.low <= true - TRUE.mean() <= e.high
        for seed in range(100)
        for e, true in zip(rank(made(150, seed=seed)).strengths, TRUE, strict=True)
    )
    assert 0.92 * 400 <= inside <= 0.98 * 400


def test_ranks_that_are_left_open_are_said():
    close = rank(made(2000))
    assert [low for low, _ in close.ranks] == [1, 2, 3, 4] == [high for _, high in close.ranks]
    assert rank(Wins(4, PAIRS, np.random.default_rng(0).random((6, 1, 30)))).ranks == [(1, 4)] * 4


def test_an_arm_that_wins_everything_has_a_strength_all_the_same():
    wins = made(30).wins_CSN.copy()
    wins[[0, 1], :, :], wins[2] = 1.0, 0.0  # arm 0 wins against all
    found = rank(Wins(4, PAIRS, wins))
    assert (
        found.note.startswith(HALF)
        and found.sides == (1, 0, 0, 0)
        and np.isfinite([(e.value, e.error) for e in found.strengths]).all()
    )
    assert found.strengths[0].value > max(e.value for e in found.strengths[1:])
    assert not rank(made(30)).note


def test_arms_that_never_met_by_way_of_others_are_not_connected():
    assert is_connected(4, PAIRS) and is_connected(4, np.array([[0, 1], [2, 1], [2, 3]]))
    assert not is_connected(4, np.array([[0, 1], [2, 3]]))


def test_what_never_varies_is_not_certain():
    """A wins 40 of 40; the interval is that of half a win to the other."""
    found = rank(Wins(2, np.array([[0, 1]]), np.ones((1, 1, 40))))
    assert found.ranks == [(1, 1), (2, 2)] and found.sides == (1, -1) and all(e.error > 0.5 for e in found.strengths)
    few = rank(Wins(2, np.array([[0, 1]]), np.ones((1, 1, 2))))
    assert few.ranks == [(1, 2)] * 2


def test_a_circle_of_equals_has_no_ranks_in_any_order():
    for order in permutations(range(3)):
        pairs = np.array([[order[0], order[1]], [order[1], order[2]], [order[2], order[0]]])
        found = rank(Wins(3, pairs, np.full((3, 1, 20), 0.7)))
        assert found.ranks == [(1, 3)] * 3 and [e.value for e in found.strengths] == pytest.approx([0] * 3, abs=1e-8)


@pytest.mark.parametrize("num", [2, 3, 5])
def test_equal_arms_are_rarely_told_apart(num):
    rng = np.random.default_rng(num)
    draws = [Wins(3, PAIRS[[0, 1, 3]], rng.integers(0, 2, (3, 1, num)).astype(float)) for _ in range(200)]
    assert sum(rank(found).ranks != [(1, 3)] * 3 for found in draws) <= 14


def test_an_arm_without_a_bound_above_does_not_move_the_others():
    """Strengths of the others have the mean 0 among each other, with an arm that loses everything and without it."""
    wins = np.stack([np.ones((1, 40)), np.ones((1, 40)), (np.arange(40) % 4 > 0)[None].astype(float)])
    found = rank(Wins(3, np.array([[1, 0], [2, 0], [1, 2]]), wins))
    assert found.sides == (-1, 0, 0)
    assert found.strengths[1].value == pytest.approx(np.log(3) / 2, abs=0.05)
    assert found.strengths[1].value == pytest.approx(-found.strengths[2].value)
