"""Tables drawn at random, from one row to nine hundred: no traceback, no error of 0 where rows differ, symmetric,
estimates within their intervals.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from winsweep.stats import official
from winsweep.stats.annotations import Judged
from winsweep.stats.comparison import of
from winsweep.stats.one_file import Ask, report
from winsweep.stats.paired import MIN_OUTCOMES, OWN_REFERENCE, paired
from winsweep.stats.winrate import official_lc

from .published import instructions, make_rows, needs_data, table
from .test_paired import made, swapped

PREFERENCES: dict[str, Callable] = {
    "binary": lambda rng, num: rng.integers(1, 3, num),
    "any": lambda rng, num: rng.uniform(1, 2, num),
    "ties": lambda rng, num: np.full(num, 1.5),
    "lost": lambda rng, num: np.ones(num),
    "rare": lambda rng, num: 1 + (rng.random(num) < 0.03),
    "near 1": lambda rng, num: 1 + rng.random(num) * 1e-6,
    "five": lambda rng, num: 1 + (rng.permutation(num) < 5),
    "sum of five": lambda rng, num: 1 + np.minimum(1, rng.dirichlet(np.ones(num)) * 5),
}
LENGTHS: dict[str, Callable] = {
    "any": lambda rng, preferences: rng.integers(1, 4000, (2, len(preferences))),
    "two": lambda rng, preferences: rng.integers(5, 7, (2, len(preferences))),
    "same": lambda rng, preferences: np.full((2, len(preferences)), 7),
    "empty": lambda rng, preferences: np.zeros((2, len(preferences)), int),
    "tell all": lambda rng, preferences: np.stack(
        [np.full(len(preferences), 200), np.where(preferences > 1.5, 500, 10)]
    ),
}


def drawn_rows(rng: np.random.Generator, texts: list[str], reference: str = OWN_REFERENCE) -> list[dict]:
    preferences = PREFERENCES[rng.choice(list(PREFERENCES))](rng, len(texts)).astype(float)
    lengths = LENGTHS[rng.choice(list(LENGTHS), p=[0.6, 0.1, 0.1, 0.1, 0.1])](rng, preferences)
    return [
        {
            "instruction": t,
            "output_1": "x" * a,
            "output_2": "y" * b,
            "preference": p,
            "generator_1": reference,
            "generator_2": "c",
            "annotator": "j",
        }
        for t, p, a, b in zip(texts, preferences.tolist(), *lengths.tolist())
    ]


def mirrored(rows: list[dict]) -> list[dict]:
    return [
        row
        | {
            "output_1": row["output_2"],
            "output_2": row["output_1"],
            "generator_1": row["generator_2"],
            "generator_2": row["generator_1"],
            "preference": 3 - row["preference"],
        }
        for row in rows
    ]


def assert_honest(columns: dict, rows: list[dict]) -> None:
    differ = len({row["preference"] for row in rows}) > 1
    for kind in ("", "lc_", "paired_"):
        rate, error = columns[f"{kind}win_rate_pct"], columns[f"{kind}standard_error_pct"]
        assert 0 <= rate <= 100 and np.isfinite(error) and error >= 0 and (error > 0 or not differ), (
            kind,
            rate,
            error,
            columns,
        )
    assert columns["paired_low_pct"] <= columns["paired_win_rate_pct"] <= columns["paired_high_pct"]


@pytest.mark.parametrize("seed", range(5))
def test_head_to_head_of_any_table(seed):
    rng = np.random.default_rng(seed)
    for num in np.r_[1:21, rng.integers(1, 901, 80)]:
        rows = drawn_rows(rng, [f"q{i}" for i in range(num)])
        ours, theirs = (report(side, Ask("paired"), None, None).columns for side in (rows, mirrored(rows)))
        assert_honest(ours, rows)
        assert (
            abs(ours["paired_win_rate_pct"] + theirs["paired_win_rate_pct"] - 100) <= 1e-9
            and ours["paired_formula"] == theirs["paired_formula"]
        )
        assert ours["paired_low_pct"] + theirs["paired_high_pct"] == pytest.approx(100, abs=1e-7)


@needs_data
def test_alpaca_eval_s_number_of_any_table():
    rng = np.random.default_rng(5)
    for num in np.r_[1:13, rng.integers(1, 806, 20), 805, 805]:
        rows = drawn_rows(rng, list(rng.choice(instructions(), num, replace=False)))
        assert_honest(report(rows, Ask("official", can_lack=True), None, table()).columns, rows)


@pytest.mark.parametrize("num", range(11, 60))
def test_exactly_five_wins_are_as_good_as_exactly_five_losses(num):
    deltas = np.random.default_rng(num).permutation(num).tolist()
    one, other = (
        paired(rows)
        for rows in (
            made([2] * MIN_OUTCOMES + [1] * (num - MIN_OUTCOMES), deltas),
            swapped(made([2] * MIN_OUTCOMES + [1] * (num - MIN_OUTCOMES), deltas)),
        )
    )
    assert one.formula == other.formula and abs(one.win_rate_pct + other.win_rate_pct - 100) <= 1e-9


def coins(seed: int, num: int = 805) -> Judged:
    """A judge that throws a coin, of outputs whose lengths say nothing."""
    rng = np.random.default_rng(seed)
    chars_2N = rng.integers(1, 2000, (2, num))
    return Judged(
        instructions()[:num], rng.integers(0, 2, num).astype(float), *chars_2N, np.arange(num), OWN_REFERENCE, "c"
    )


@needs_data
def test_a_penalty_that_holds_the_number_at_50_leaves_it_an_error():
    """Cross-validation picks C = 1e-4 for some coin flips: AlpacaEval's 50.0 stands, and no error of 0 beside it."""
    drawn = [coins(seed) for seed in range(60)]
    held = [rows for rows, fit in zip(drawn, official.fast(drawn, table())) if fit.c < 1e-3]
    assert held
    for rows in held[:2]:
        found, raw = official_lc(rows, table()), paired(rows, table().difficulty_N)
        assert (found.win_rate_pct, found.c) == (
            50.0,
            1e-4,
        ) and found.standard_error_pct == raw.standard_error_pct > 1.5
        assert "(c = 0.0001) leaves the candidate no merit of its own; the error is the paired model's" in found.note
        given = official_lc(rows, table(), 1e-4)
        assert given.standard_error_pct == raw.standard_error_pct and given.note == found.note


@needs_data
def test_the_table_says_so_too():
    rows = next(rows for rows in map(coins, range(60)) if official.fast([rows], table())[0].c < 1e-3)
    texts = [
        {"instruction": t, "output_1": "x" * int(a), "output_2": "x" * int(b), "preference": 1 + w, "annotator": "j"}
        for t, a, b, w in zip(rows.instructions, rows.chars_1_N, rows.chars_2_N, rows.wins_N)
    ]
    columns = of(texts, replace(rows, reference=""), table()).columns
    assert (
        columns["lc_formula"] == "official"
        and columns["lc_standard_error_pct"] > 1.5
        and "no merit of its own" in columns["note"]
    )


@pytest.mark.parametrize("preferences", [[1, 2], [1, 2, 1], [2, 1.5, 1, 1]])
@needs_data
def test_two_to_four_rows_have_an_official_number(preferences):
    rows, _ = make_rows(preferences, [3, 40, 1, 9][: len(preferences)])
    rows = [row | {"instruction": text, "annotator": "j"} for row, text in zip(rows, instructions()[200:])]
    found = report(rows, Ask("official", can_lack=True), None, table())
    assert found.columns["lc_formula"] == "official" and found.columns["lc_standard_error_pct"] > 0
    assert f"{len(rows)} of AlpacaEval's 805 instructions" in found.notes[-1]
