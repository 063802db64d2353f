"""Figures of a card beside five-line references, and their intervals against what was put into drawn judges."""

import math
import random

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.validation.voted import pairs, text
from winsweep.stats.annotations import align, judged
from winsweep.stats.calibrated import corrected
from winsweep.stats.calibration import Calibration, calibrated_pct, of_plain
from winsweep.stats.comparison import Scored
from winsweep.stats.comparison import of as scored
from winsweep.validation import measures
from winsweep.validation.asking import Views
from winsweep.validation.leanings import TWICE, leanings
from winsweep.validation.pair import Pair


def drawn(num: int, seed: int, right: float = 0.75, sure: float = 0.85, order: str = "hash") -> Views:
    """A judge that is of the majority with probability `right`, in either order by another draw."""
    rng, found = random.Random(seed), pairs(num, seed, sure=sure)
    wins = [tuple(p.majority if rng.random() < right else 1 - p.majority for _ in (0, 1)) for p in found]
    return Views(found, wins, order)


def test_agreement_and_kappa_are_those_of_a_plain_count():
    views = drawn(200, 3)
    wins_NK = measures.wins_of(views, False)
    ours = [int(w > 0.5) for w in wins_NK[:, 0]] + [int(w > 0.5) for w in wins_NK[:, 1]]
    people = [int(p.majority) for p in views.pairs] * 2
    agreement, kappa = measures.agreement(views.pairs, wins_NK), measures.kappa(views.pairs, wins_NK)
    assert agreement.share == pytest.approx(np.mean([a == b for a, b in zip(ours, people)]))
    assert kappa.value == pytest.approx(cohen_kappa_score(ours, people))
    assert agreement.low < 0.75 < agreement.high and kappa.low < kappa.value < kappa.high


def test_a_tie_of_the_judge_is_half_and_one_of_people_is_no_majority():
    made = [Pair("a", "x", "y", (1, 2)), Pair("b", "x", "y", (2, 2)), Pair("c", "x", "y", (1,))]
    wins_NK = measures.wins_of(Views(made, [(1, 1), (0.5, 0.5), (1, 0)], "hash"), False)
    found = measures.agreement(made, wins_NK)
    assert (found.share, found.num) == (0.5, 4)
    assert measures.agreement(made[:1], wins_NK[:1]) is None


def test_the_ceiling_is_each_vote_against_the_others():
    made = [Pair("a", "x", "y", (1, 1, 2)), Pair("b", "x", "y", (2, 2)), Pair("c", "x", "y", (1,))]
    people, judge = measures.beside_ceiling(made, np.array([[0.0], [1.0], [1.0]]))
    # a: 1 against {1, 2} has no majority, twice; 2 against {1, 1} is wrong. b: both right
    assert (people.share, people.num) == (2 / 3, 3) and judge.share == 1
    assert measures.beside_ceiling(made[2:], np.array([[1.0]])) == (None, None)


@pytest.mark.parametrize(
    ("wins", "order", "told"),
    [
        ((0.1, 0.9), "hash", "the answer shown first"),
        ((1, 0), "reference_first", "the answer shown second"),
        ((0.5, 0.5), "hash", "a tie"),
        ((0.0, 1.0), "", "the reference, whichever answer that is"),
    ],
)
def test_a_judge_that_says_the_same_whatever_it_is_asked_is_found(wins, order, told):
    views = Views(pairs(20), [wins] * 20, order)
    assert measures.sameness(views).startswith(told)
    assert measures.sameness(Views(pairs(20), [wins] * 19 + [(1 - wins[0] or 1, 1)], order)) == ""


def test_order_is_seen():
    views = Views(pairs(40), [(0, 1)] * 30 + [(1, 1)] * 10, "hash")
    consistency, first = measures.consistency(views), measures.preference_for_first(views)
    assert consistency.share == 0.25 and consistency.low < 0.25 < consistency.high
    assert first.share == (30 * 2 + 10) / 80


LOGITS = {"first": 0.6, "length": 2.4, "lists": 0.8}
VOTES = 1.1


def biased(seed: int, num: int = 200) -> Views:
    """A judge with LOGITS of the first place, length and lists and VOTES of people's votes; people like length, too."""
    rng, made, wins = random.Random(seed), [], []
    for n in range(num):
        one, two = ("".join(["- " + text(rng, 2, 9) + "\n"] * rng.choice((0, 0, 2))) + text(rng) for _ in (0, 1))
        gap = (len(two) - len(one)) / (len(one) + len(two))
        said = tuple(1.0 + (rng.random() < 1 / (1 + math.exp(-2 * gap))) for _ in range(3))
        made.append(Pair(f"q{n}", one, two, said))
        listed = two.startswith("- ") - one.startswith("- ")
        odds = VOTES * made[-1].margin + LOGITS["length"] * gap + LOGITS["lists"] * listed
        both = [odds + s * LOGITS["first"] for s in (-1, 1)]
        wins.append(tuple(float(rng.random() < 1 / (1 + math.exp(-z))) for z in both))
    return Views(made, wins, "hash")


def test_what_was_put_into_a_judge_is_within_its_interval_as_often_as_it_says():
    covered = 0
    for seed in range(12):
        found = leanings(biased(seed))
        assert set(found) == set(LOGITS) and all(of.high - of.low < 0.3 for of in found.values())
        for name, logit in LOGITS.items():
            true = 1 / (1 + math.exp(-logit * (TWICE if name == "length" else 1)))
            covered += found[name].low < true < found[name].high
    assert covered >= 32  # of 36


def test_leanings_are_the_same_for_swapped_answers_and_finite_for_a_judge_without_exception():
    views = drawn(60, 5)
    turned = [Pair(p.instruction, p.output_2, p.output_1, tuple(3 - v for v in p.votes)) for p in views.pairs]
    swapped = Views(turned, [(1 - b, 1 - a) for a, b in views.wins], "hash")
    for name, of in leanings(views).items():
        assert leanings(swapped)[name].share == pytest.approx(of.share, abs=1e-9)
    longest = Views(views.pairs, [(float(len(p.output_2) > len(p.output_1)),) * 2 for p in views.pairs], "hash")
    found = leanings(longest)["length"]
    assert 0.9 < found.share <= found.high <= 1
    assert leanings(Views([], [], "hash")) == {}


def test_the_correction_is_rogans_and_gladens_and_its_own_mirror():
    by = Calibration(0.8, 0.8, 400, 400, True)
    assert calibrated_pct(68.0, 2.0, 500, by)[0] == pytest.approx(100 * (0.68 + 0.8 - 1) / 0.6)
    value, low, high = calibrated_pct(68.0, 2.0, 500, by)
    mirror = calibrated_pct(32.0, 2.0, 500, by)
    assert mirror == pytest.approx((100 - value, 100 - high, 100 - low))
    assert calibrated_pct(99.0, 0.5, 500, by)[0] == 100
    assert of_plain(by.plain()) == by


def test_the_interval_of_two_figures_is_the_published_one():
    """Lee et al. (arXiv:2511.21140), algorithm 1, written out."""
    p, q0, q1, n, m0, m1, z = 0.6, 0.7, 0.9, 300, 60, 90, 1.959963984540054
    P, Q0, Q1 = (n * p + z * z / 2) / (n + z * z), (m0 * q0 + 1) / (m0 + 2), (m1 * q1 + 1) / (m1 + 2)
    N, t = n + z * z, (P + Q0 - 1) / (Q0 + Q1 - 1)
    v0, v1 = Q0 * (1 - Q0) / (m0 + 2), Q1 * (1 - Q1) / (m1 + 2)
    half = z * math.sqrt(P * (1 - P) / N + (1 - t) ** 2 * v0 + t**2 * v1) / (Q0 + Q1 - 1)
    middle = t + 2 * z * z * (t * v1 - (1 - t) * v0)
    error = 100 * math.sqrt(p * (1 - p) / n)
    found = calibrated_pct(100 * p, error, n, Calibration(q0, q1, m0, m1, False))
    assert found[1:] == pytest.approx((100 * (middle - half), 100 * (middle + half)))


def test_a_judge_that_is_not_better_than_chance_corrects_nothing():
    for by in (
        Calibration(0.5, 0.5, 90, 90, True),
        Calibration(0.3, 0.6, 90, 90, False),
        Calibration(1, 1, 1, 1, True),
    ):
        assert not by.is_usable
        with pytest.raises(ValueError, match="not better than chance"):
            calibrated_pct(60.0, 2.0, 100, by)
    assert Calibration(0.7, 0.7, 100, 100, True).is_usable


@pytest.mark.parametrize(
    "found", [{}, {"q0": 2, "q1": 0.5, "n0": 1, "n1": 1, "is_symmetric": 1}, {"q0": 0.5, "q1": 0.5, "n0": 0, "n1": 1}]
)
def test_what_is_no_calibration_is_refused(found):
    with pytest.raises((ValueError, KeyError)):
        of_plain(found)


@pytest.mark.parametrize("order", ["hash", "reference_first"])
def test_a_cards_figures_are_means_and_worth_their_independent_cases(order):
    """The judge is right 3 of 4 times where the second answer is the candidate and is better, else 3 of 5 times."""
    rng, made, wins = random.Random(2), pairs(600, 4, votes=1), []
    for pair in made:
        is_better = pair.majority
        right = [rng.random() < (0.75 if better else 0.6) for better in (is_better, 1 - is_better)]
        wins.append(tuple(is_better if r else 1 - is_better for r in right))
    views = Views(made, wins, order)
    by = measures.calibration(made, measures.wins_of(views, False), views.is_symmetric)
    if order == "hash":
        assert by.q0 == by.q1 == measures.agreement(made, measures.wins_of(views, False)).share
        assert by.n0 == by.n1 == pytest.approx(1200, rel=0.15)
    else:
        assert by.q1 == pytest.approx(0.75, abs=0.05) and by.q0 == pytest.approx(0.6, abs=0.05)
        assert by.n0 == pytest.approx(600, rel=0.15) and by.n1 == pytest.approx(600, rel=0.15)


@pytest.mark.parametrize(
    ("theta", "is_symmetric"), [(0.5, True), (0.75, True), (0.9, True), (0.5, False), (0.85, False)]
)
def test_the_calibrated_interval_covers_what_people_would_say(theta, is_symmetric):
    """2,000 studies of 200 instructions, each with a card of 120 cases of its own."""
    q0, q1 = (0.75, 0.75) if is_symmetric else (0.65, 0.9)
    rng, num, covered, widths = np.random.default_rng(7), 2000, 0, []
    for _ in range(num):
        m = 120 if is_symmetric else 60
        seen0, seen1 = rng.binomial(m, q0) / m, rng.binomial(m, q1) / m
        by = Calibration(seen0, seen0 if is_symmetric else seen1, m, m, is_symmetric)
        share = rng.binomial(200, theta * q1 + (1 - theta) * (1 - q0)) / 200
        _, low, high = calibrated_pct(100 * share, 100 * (share * (1 - share) / 199) ** 0.5, 200, by)
        covered += low <= 100 * theta <= high
        widths.append(high - low)
    assert 0.935 <= covered / num <= 0.985 and np.mean(widths) < 40


def outputs(same: int, wins: int, num: int = 100) -> Scored:
    """A comparison with so many identical outputs and so many wins among the others."""
    rows = [
        {
            "instruction": f"i{i}",
            "output_1": f"a{i}",
            "output_2": f"a{i}" if i < same else f"b{i}",
            "preference": 1.5 if i < same else 2 if i < same + wins else 1,
        }
        for i in range(num)
    ]
    return scored(align(rows, [r["instruction"] for r in rows]), judged(rows, [r["instruction"] for r in rows]), None)


@pytest.mark.parametrize(("same", "wins"), [(0, 50), (50, 25), (90, 5)])
def test_what_no_judge_was_asked_about_stays_a_tie(same, wins):
    by = Calibration(0.9, 0.6, 200.0, 200.0, False)
    value, low, high = corrected([outputs(same, wins)], by.plain()).values()
    asked, error = 1 - same / 100, 50 / math.sqrt(100 - same - 1)
    alone = calibrated_pct(50, error, 100 - same, by)
    assert value == pytest.approx(50 + asked * (100 * (0.5 + 0.9 - 1) / 0.5 - 50))
    assert low <= 50 + asked * (alone[1] - 50) + 0.5 and high >= min(50 + asked * (alone[2] - 50), 100) - 0.5
    assert low >= 50 - 50 * asked - 1e-9 and high <= 50 + 50 * asked + 1e-9


def test_the_seeds_of_an_arm_are_corrected_over_all_that_was_asked():
    by = Calibration(0.8, 0.8, 400.0, 400.0, True)
    found = corrected([outputs(20, 40), outputs(60, 30)], by.plain())
    each = [corrected([outputs(*x)], by.plain())["calibrated_win_rate_pct"] for x in ((20, 40), (60, 30))]
    assert found["calibrated_win_rate_pct"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(("share", "end"), [(5, 0), (95, 100)])
def test_an_interval_at_the_end_of_the_scale_has_a_width(share, end):
    value, low, high = calibrated_pct(share, 0.8, 805, Calibration(0.8, 0.8, 1e4, 1e4, True))
    assert value == end and low <= value <= high and high - low > 1
    value, low, high = corrected([outputs(32, 0)], Calibration(0.7, 0.7, 200.0, 200.0, True).plain()).values()
    assert value == pytest.approx(16) and low == pytest.approx(16) and high > 17
