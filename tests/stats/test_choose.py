"""Picking a validation run: the figure asked for, the first of equals, and what the rows cannot tell from the best."""

import json
import math
import random
import statistics

import numpy as np
import pytest

from winsweep.stats.annotations import judged
from winsweep.stats.choose import Run, choose, read_run
from winsweep.stats.paired import Paired, paired

from .published import make_rows


def run(wins: list[float], lc: float = 50.0) -> Run:
    return Run(np.array(wins), Paired(lc, 1.0, lc - 2, lc + 2, "paired", 100 * np.array(wins) - lc))


def test_the_highest_of_the_figure_asked_for_is_picked():
    runs = [run([0.0, 1.0] * 28, lc=40.0), run([1.0, 0.9] * 28, lc=30.0)]
    assert [line["is_picked"] for line in choose(runs, "lc_win_rate")] == [True, False]
    assert [line["is_picked"] for line in choose(runs, "win_rate")] == [False, True]


def test_of_equals_the_first_is_picked_and_the_others_tie():
    lines = json.loads(json.dumps(choose([run([0.5, 0.5]), run([1.0, 0.0]), run([0.0, 1.0])], "win_rate")))
    assert [line["is_picked"] for line in lines] == [True, False, False] and [line["is_tied"] for line in lines] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_tie_is_within_one_standard_error_of_the_paired_difference(seed):
    rng = random.Random(seed)
    runs = [run([rng.random() for _ in range(56)]) for _ in range(5)]
    lines = choose(runs, "win_rate")
    best = max(range(5), key=lambda n: statistics.fmean(runs[n].wins_N))
    for line, other in zip(lines, runs):
        differences = [a - b for a, b in zip(runs[best].wins_N, other.wins_N)]
        error = statistics.stdev(differences) / math.sqrt(56)
        assert math.isclose(line["behind_standard_error_pct"], 100 * error, abs_tol=1e-9)
        assert math.isclose(line["behind_pct"], 100 * statistics.fmean(differences), abs_tol=1e-9)
        assert line["is_tied"] == (not line["is_picked"] and statistics.fmean(differences) <= error)


def test_a_tie_in_length_controlled_rates_goes_by_their_own_differences():
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(3):
        rows = judged(*make_rows((1 + rng.random(56)).tolist(), rng.integers(-300, 300, 56).tolist()))
        runs.append(Run(rows.wins_N, paired(rows)))
    lines = choose(runs, "lc_win_rate")
    best = next(n for n, line in enumerate(lines) if line["is_picked"])
    for run_, line in zip(runs, lines):
        gap = runs[best].paired.psi_N - run_.paired.psi_N
        assert line["behind_standard_error_pct"] == pytest.approx(gap.std(ddof=1) / 56**0.5)


def test_a_run_is_read_in_the_order_of_the_instructions(tmp_path):
    asked = [f"question {n}" for n in range(12)]
    rows = [
        {
            "instruction": text,
            "preference": 1 + n / 11,
            "output_1": "a" * (n + 1),
            "output_2": "b" * (2 * n + 1),
            "dataset": "d",
        }
        for n, text in enumerate(asked)
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(rows[::-1]))
    assert read_run(tmp_path, asked).wins_N.tolist() == pytest.approx([n / 11 for n in range(12)])
