"""The head-to-head win rate: symmetric, indifferent to order, right on synthetic truth, honest where nothing can be
fitted.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from winsweep.stats.annotations import Judged, judged
from winsweep.stats.paired import OWN_REFERENCE, Paired, paired

from .published import arrays_of, drawn, fitted, instructions, make_rows, needs_data, paired_bootstrap, rows_of, table


def made(preferences: list, deltas: list[int]) -> Judged:
    return judged(*make_rows(preferences, deltas))


def swapped(rows: Judged) -> Judged:
    return replace(
        rows,
        wins_N=1 - rows.wins_N,
        chars_1_N=rows.chars_2_N,
        chars_2_N=rows.chars_1_N,
        reference=rows.candidate,
        candidate=rows.reference,
    )


def noisy(num: int, seed: int = 5) -> Judged:
    """A judge with a taste for length: at equal length the candidate wins about 27 %, and most rows as it
    writes more.
    """
    rng = np.random.default_rng(seed)
    deltas = rng.integers(0, 600, num)
    length = np.tanh(deltas / deltas.std(ddof=1))
    wins = 1 / (1 + np.exp(-(2.0 * length - 1.0 + rng.normal(size=num))))
    return made((1 + wins).tolist(), deltas.tolist())


@needs_data
@pytest.mark.parametrize("reference", ["", OWN_REFERENCE])
@pytest.mark.parametrize("model", fitted(), ids=str)
def test_swapping_the_sides_gives_100_less_it(model, reference):
    rows = replace(arrays_of(model), reference=reference)
    ours, theirs = paired(rows, table().difficulty_N), paired(swapped(rows), table().difficulty_N)
    assert ours.formula == "paired" and abs(ours.win_rate_pct + theirs.win_rate_pct - 100) <= 1e-9
    assert ours.standard_error_pct == pytest.approx(theirs.standard_error_pct, abs=1e-9)
    assert ours.low_pct == pytest.approx(100 - theirs.high_pct, abs=1e-9)


@needs_data
@pytest.mark.parametrize("reference", ["", OWN_REFERENCE])
@pytest.mark.parametrize("model", fitted(), ids=str)
def test_errors_and_intervals_are_a_bootstrap_s(model, reference):
    rows = arrays_of(model)
    rows = replace(drawn(rows, np.flatnonzero(np.isfinite(rows.wins_N))), reference=reference)
    found, draws = paired(rows, table().difficulty_N), paired_bootstrap(rows, 1000)
    assert found.standard_error_pct == pytest.approx(draws.std(ddof=1), rel=0.1)
    assert (found.low_pct, found.high_pct) == pytest.approx(
        np.percentile(draws, [2.5, 97.5]), abs=0.5 * found.standard_error_pct
    )


@needs_data
def test_the_order_of_rows_changes_nothing_at_all():
    rows = rows_of(next(m for m in fitted() if m.name == "vicuna-13b"))
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    one, other = (paired(judged(r, instructions())) for r in (rows, shuffled))
    assert (
        one.win_rate_pct == other.win_rate_pct
        and one.standard_error_pct == other.standard_error_pct
        and (one.psi_N == other.psi_N).all()
    )


@needs_data
def test_difficulty_counts_against_alpaca_eval_s_own_reference_only():
    rows = arrays_of(next(m for m in fitted() if m.name == "vicuna-13b"))
    bare, own = paired(rows), paired(replace(rows, reference=OWN_REFERENCE), table().difficulty_N)
    assert (
        paired(replace(rows, reference="mine"), table().difficulty_N).win_rate_pct
        == bare.win_rate_pct
        != own.win_rate_pct
    )
    part = drawn(replace(rows, reference=OWN_REFERENCE), np.arange(200, 500))
    assert paired(part, table().difficulty_N).formula == "paired"
    assert (
        paired(replace(part, indices_N=np.full(300, -1)), table().difficulty_N).win_rate_pct
        == paired(replace(part, reference="")).win_rate_pct
    )


def test_it_is_the_unpenalised_logistic_fit_at_equal_length():
    rows = noisy(400)
    x = np.stack([np.tanh(rows.longer_N / rows.longer_N.std(ddof=1)), np.ones(400)], axis=1)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    model.fit(np.tile(x, (2, 1)), np.repeat([1, 0], 400), sample_weight=np.r_[rows.wins_N, 1 - rows.wins_N])
    assert paired(rows).win_rate_pct == pytest.approx(100 / (1 + math.exp(-model.coef_[0, 1])), abs=1e-4)


@pytest.mark.parametrize(("num", "within"), [(400, 0.1), (56, 0.2)])
def test_a_taste_for_length_is_taken_out_and_the_error_is_a_bootstrap_s(num, within):
    rows, rng = noisy(num), np.random.default_rng(1)
    found = paired(rows)
    assert rows.wins_N.mean() > 0.5 and found.low_pct < 100 / (1 + math.e) < found.high_pct
    draws = [paired(drawn(rows, rng.integers(0, num, num))).win_rate_pct for _ in range(500)]
    assert found.standard_error_pct == pytest.approx(np.std(draws, ddof=1), rel=within)


def test_ten_rows_are_fitted_or_said_to_be_too_few():
    few, enough = made([2] * 4 + [1] * 6, list(range(-5, 5))), made([1.9, 1.2] * 5, [3, 9, -8, 2, 7, -4, 1, -9, 4, -2])
    assert paired(few).formula == "raw" and paired(few).note == "fewer than 5 wins or losses"
    rows = made([2, 1] * 5, [3, 9, -8, 2, 7, -4, 1, -9, 4, -2])
    found = paired(rows)
    assert paired(enough).formula == "raw" and found.formula == "paired" and found.low_pct < 40 and found.high_pct > 60


@pytest.mark.parametrize(("value", "low", "high"), [(1.0, 0.0, 0.5), (2.0, 99.5, 100.0)])
def test_all_lost_and_all_won_have_an_interval(value, low, high):
    found = paired(made([value] * 805, list(range(805))))
    assert (found.win_rate_pct, found.formula) == (100 * (value - 1), "raw") and found.standard_error_pct > 0
    assert found.low_pct == pytest.approx(low, abs=0.03) and found.high_pct == pytest.approx(high, abs=0.03)


def test_all_ties_are_exactly_50():
    for deltas in ([0] * 40, list(range(40))):
        found = paired(made([1.5] * 40, deltas))
        assert (found.win_rate_pct, found.standard_error_pct, found.low_pct, found.high_pct, found.note) == (
            50.0,
            0.0,
            50.0,
            50.0,
            "all ties",
        )


def test_lengths_that_tell_nothing_are_said_to():
    rng = np.random.default_rng(0)
    equal = made(rng.choice([1.0, 2.0], 60).tolist(), [7] * 60)
    deltas = rng.integers(-300, 300, 60)
    separated = made(np.where(deltas > 0, 2.0, 1.0).tolist(), deltas.tolist())
    assert (
        paired(equal).note == "all pairs differ equally in length"
        and paired(separated).note == "lengths separate wins from losses"
    )
    for rows in (equal, separated):
        assert paired(rows).formula == "raw" and paired(rows).win_rate_pct == 100 * rows.wins_N.mean()


@pytest.mark.parametrize("num", [1, 2, 12, 56, 300])
def test_hard_rows_give_numbers(num):
    rng = np.random.default_rng(num)
    deltas = rng.integers(-300, 300, num)
    hard = [np.where(deltas > 0, 1, 2), np.where(deltas > -200, 2, 1.4), np.arange(num) % 2 + 1, 1 + rng.random(num)]
    for preferences in hard:
        for lengths in (deltas, (deltas > 250) * 1, deltas * 1000 - deltas.min() * 1000, deltas * 0):
            found = paired(made(preferences.tolist(), lengths.tolist()))
            numbers = [found.win_rate_pct, found.standard_error_pct, found.low_pct, found.high_pct]
            assert (
                isinstance(found, Paired)
                and all(map(math.isfinite, numbers))
                and 0 <= found.low_pct <= found.win_rate_pct <= found.high_pct <= 100
            )
