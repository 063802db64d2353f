"""The win rate at equal style: the fit is the reference's, symmetric, right on synthetic truth, honest where nothing
can be told.
"""

import json
import math
from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from winsweep.stats.annotations import Judged, judged
from winsweep.stats.markdown import densities
from winsweep.stats.paired import paired
from winsweep.stats.style import COVARIATES, FEW, RIDGE, UNTOLD, Styled, styled

from .published import DATA
from .test_paired import swapped

Sides = tuple[list[str], list[str]]
NAMES = ("alpaca-7b", "gpt4_1106_preview", "vicuna-13b")
needs_answers = pytest.mark.skipif(
    not (DATA / f"alpaca_eval_outputs_{NAMES[0]}.json").exists(), reason="the published models' answers are not there"
)


def found(rows: Judged, sides: Sides) -> Styled:
    return styled(rows, sides, paired(rows), None)


def of(sides: Sides, wins: np.ndarray) -> Judged:
    rows = [
        {"instruction": f"{i}", "output_2": ours, "output_1": theirs, "preference": 1 + float(win)}
        for i, (ours, theirs, win) in enumerate(zip(*sides, wins, strict=True))
    ]
    return judged(rows, [row["instruction"] for row in rows])


def covariates(sides: Sides) -> np.ndarray:
    """Length and Markdown [5, N] of the candidate against the reference, each over its deviation."""
    longer = np.array([len(a) - len(b) for a, b in zip(*sides, strict=True)])
    ours, theirs = map(densities, sides)
    x_FN = np.vstack([np.tanh(longer / longer.std(ddof=1)), (ours - theirs) / (ours + theirs + 1)])
    deviations = x_FN.std(axis=1, ddof=1, keepdims=True)
    return x_FN / np.where(deviations, deviations, 1)


def drawn(sides: Sides, taste: dict[str, float], merit: float, seed: int = 0) -> Judged:
    """Votes of a judge of a known taste."""
    weights_F = np.array([taste.get(name, 0.0) for name in COVARIATES])
    return of(sides, np.random.default_rng(seed).random(len(sides[0])) < expit(merit + weights_F @ covariates(sides)))


def made(num: int, share: float, seed: int = 0) -> Sides:
    """Texts of which `share` of the candidate's and a fifth of the reference's are lists, and some have bold words."""
    rng = np.random.default_rng(seed)

    def text(of_lists: float) -> str:
        mark = "- " if rng.random() < of_lists else ""
        bold = "**yes** " * rng.integers(0, 3)
        return bold + "\n".join(mark + "word " * rng.integers(3, 9) for _ in range(rng.integers(3, 9)))

    return [text(share) for _ in range(num)], [text(0.2) for _ in range(num)]


@cache
def answers(name: str) -> list[str]:
    return [row["output"] for row in json.loads((DATA / f"alpaca_eval_outputs_{name}.json").read_bytes())]


def test_it_is_the_penalised_logistic_fit_at_equal_style():
    sides = made(300, 0.5)
    rows = drawn(sides, {"length": 0.4, "lists": 0.7}, -0.3)
    kept = [0, 2, 3]  # no headers, no code
    x = np.vstack([np.ones(300), covariates(sides)[kept]])

    def loss(w: np.ndarray) -> float:
        return np.logaddexp(0, w @ x).sum() - rows.wins_N @ (w @ x) + RIDGE / 2 * (w[1:] ** 2).sum()

    w = minimize(loss, np.zeros(4), tol=1e-12).x
    ours = found(rows, sides)
    assert ours.formula == "style" and ours.figure.win_rate_pct == pytest.approx(100 * expit(w[0]), abs=1e-3)
    assert [t.log_odds for t in ours.tastes if t.log_odds is not None] == pytest.approx(w[1:], abs=1e-4)
    assert [t.name for t in ours.tastes if t.why == "no answer has any"] == ["headers", "code"]


@pytest.mark.parametrize("num", [56, 300])
@pytest.mark.parametrize("taste", [{}, {"lists": 2.0, "bold": -1.0}])
def test_swapping_the_sides_gives_100_less_it(num, taste):
    sides = made(num, 0.6)
    rows = drawn(sides, taste, 0.2)
    ours, theirs = found(rows, sides), found(swapped(rows), sides[::-1])
    assert ours.formula == theirs.formula == "style"
    assert abs(ours.figure.win_rate_pct + theirs.figure.win_rate_pct - 100) <= 1e-9
    assert ours.figure.low_pct == pytest.approx(100 - theirs.figure.high_pct, abs=1e-8)
    for a, b in zip(ours.tastes, theirs.tastes, strict=True):
        assert a.why == b.why and a.log_odds == pytest.approx(b.log_odds, abs=1e-10)
        assert a.standard_error == pytest.approx(b.standard_error, abs=1e-9)


@needs_answers
@pytest.mark.parametrize(
    ("candidate", "reference", "liked"), [(NAMES[1], NAMES[2], "bold"), (NAMES[2], NAMES[0], "lists")]
)
def test_on_real_answers_it_moves_the_one_with_more_markdown_down_and_finds_the_truth(candidate, reference, liked):
    """The judge likes long answers and bold words, or lists; the merit is even: without its taste, each wins half."""
    sides, place = (answers(candidate), answers(reference)), COVARIATES.index(liked)
    assert covariates(sides)[place].mean() > 0.2  # deviations
    rows = drawn(sides, {"length": 0.5, liked: 0.8}, 0.0)
    ours, theirs = found(rows, sides), found(swapped(rows), sides[::-1])
    assert ours.figure.low_pct < 50 < ours.figure.high_pct and 100 * rows.wins_N.mean() > ours.figure.win_rate_pct + 3
    # lengths of GPT-4's answers tell most of their bold words
    assert liked == "bold" or paired(rows).win_rate_pct > ours.figure.win_rate_pct + 1
    assert abs(ours.figure.win_rate_pct + theirs.figure.win_rate_pct - 100) <= 1e-9
    weight = ours.tastes[place]
    assert 0 < weight.low < 0.8 < weight.high


def test_intervals_hold_the_truth_as_often_as_they_say():
    """With 56 rows: of 200 tables about 190 hold it (178 is three deviations less)."""
    hits = told = 0
    for seed in range(200):
        sides = made(56, 0.5, seed)
        ours = found(drawn(sides, {"length": 0.5, "lists": 0.6}, -0.4, seed), sides)
        lists = ours.tastes[COVARIATES.index("lists")]
        hits += ours.figure.low_pct <= 100 * expit(-0.4) <= ours.figure.high_pct
        told += lists.low <= 0.6 <= lists.high
    assert hits >= 178 and told >= 178


def test_without_markdown_it_is_the_paired_figure():
    sides = ["word " * (n % 7 + 1) for n in range(60)], ["word " * (n % 5 + 1) for n in range(60)]
    rows = drawn(sides, {"length": 1.0}, 0.3)
    ours = found(rows, sides)
    assert (ours.formula, ours.figure.win_rate_pct, ours.figure.note) == ("paired", paired(rows).win_rate_pct, "")
    assert {t.why for t in ours.tastes} == {"no Markdown to control for", "no answer has any"}


def test_style_that_cannot_be_told_from_merit_is_said():
    """Every answer of the candidate has about as many list items, and none of the reference's has any."""
    rng = np.random.default_rng(0)
    sides = (
        ["- a\n" * 30 + "b" * rng.integers(1, 3) for _ in range(80)],
        ["word " * rng.integers(1, 60) for _ in range(80)],
    )
    rows = of(sides, rng.random(80) < 0.6)
    ours = found(rows, sides)
    assert (ours.formula, ours.figure.note) == ("paired", UNTOLD)
    assert ours.figure.win_rate_pct == paired(rows).win_rate_pct
    assert {t.why for t in ours.tastes} == {UNTOLD, "no answer has any"}


def test_markdown_that_separates_wins_from_losses_keeps_a_finite_weight():
    sides = made(80, 0.5)
    lists = covariates(sides)[2]
    wins = np.where(lists > 0, 1.0, np.where(lists < 0, 0.0, np.arange(80) % 2))
    ours = found(of(sides, wins), sides)
    weight = ours.tastes[COVARIATES.index("lists")]
    assert ours.formula == "style" and 1 < weight.log_odds < 20 and weight.low > 0
    assert 0 < ours.figure.low_pct < 50 < ours.figure.high_pct < 100


def test_one_answer_with_a_header_moves_little():
    sides = made(60, 0.4)
    rows = drawn(sides, {}, 0.0)
    with_one = (["# A\n" + sides[0][0], *sides[0][1:]], sides[1])
    a, b = found(rows, sides).figure, found(rows, with_one).figure
    assert abs(a.win_rate_pct - b.win_rate_pct) < a.standard_error_pct and math.isfinite(b.standard_error_pct)


@pytest.mark.parametrize("num", [1, 2, 10, 12, 56])
def test_hard_rows_give_numbers(num):
    rng = np.random.default_rng(num)
    hostile = ["", "#", "- " * 50, "```\n" * 9, "**" * 99, "\u202e\x00\ud800", "# a\n" * 40, "1. a\n" * 40, " \n" * 9]
    for wins in (np.ones(num), np.zeros(num), np.full(num, 0.5), np.arange(num) % 2, rng.random(num)):
        for _ in range(4):
            sides = list(rng.choice(hostile, num)), list(rng.choice(hostile, num))
            ours = found(of(sides, wins), sides)
            numbers = [
                ours.figure.win_rate_pct,
                ours.figure.standard_error_pct,
                ours.figure.low_pct,
                ours.figure.high_pct,
            ]
            assert all(map(math.isfinite, numbers)) and len(ours.tastes) == len(COVARIATES)
            assert 0 <= ours.figure.low_pct <= ours.figure.win_rate_pct <= ours.figure.high_pct <= 100
            assert all((t.log_odds is None) == bool(t.why) for t in ours.tastes)


def test_rows_that_nobody_judged_do_not_count():
    sides = made(90, 0.5)
    rows = drawn(sides, {"lists": 0.6}, 0.1)
    kept = [i for i in range(90) if i % 3]
    of_kept = [sides[0][i] for i in kept], [sides[1][i] for i in kept]
    part = found(of(of_kept, rows.wins_N[kept]), of_kept)
    rows.wins_N[::3] = np.nan
    assert found(rows, sides).figure.win_rate_pct == pytest.approx(part.figure.win_rate_pct, abs=1e-9)


def test_ties_tell_of_no_taste():
    """4 wins, no loss and 80 ties are 44 wins' worth, but no row favours the reference."""
    sides = made(84, 0.5)
    told = found(of(sides, np.r_[np.ones(4), np.full(80, 0.5)]), sides)
    assert told.formula == "paired" and told.figure.note == FEW
    assert all(taste.log_odds is None and taste.why for taste in told.tastes)
    fitted = found(of(sides, np.r_[np.ones(5), np.full(74, 0.5), np.zeros(5)]), sides)
    assert fitted.formula == "style"
