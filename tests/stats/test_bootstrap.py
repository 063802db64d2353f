"""Errors by resampling beside those of the influence functions, which they must agree with where there is much data."""

import numpy as np
import pytest

from tests.core.small_study import STUDY, artifacts, keys, read, refused
from winsweep.stats import bootstrap
from winsweep.stats.comparison import score
from winsweep.stats.differences import arm_of, difference_rows

from .cells import rows

NUM, DRAWS = 1500, 800


def cells(mean: float, num_seeds: int, first: int) -> list:
    return [score(*rows(mean, seed=first + s, num=NUM), None) for s in range(num_seeds)]


def test_the_refit_of_all_rows_once_is_the_figure_itself():
    cell = score(*rows(0.4, num=200), None)
    assert cell.paired.formula == "paired"
    found = bootstrap.rates_of(cell, np.ones((1, 200)), None)
    assert found[0] == pytest.approx(cell.paired.win_rate_pct, abs=1e-6)


def test_errors_agree_with_those_of_influence_on_a_large_sample():
    given = {"weak": cells(0.35, 1, 0), "strong": cells(0.5, 1, 50)}
    drawn = [bootstrap.arm_of("m", name, [1], of, DRAWS, None) for name, of in given.items()]
    lines = bootstrap.beside(difference_rows([arm_of("m", name, [1], of) for name, of in given.items()]), drawn)
    for line in lines:
        assert line["bootstrap_error_pct"] == pytest.approx(line["standard_error_pct"], rel=0.1)
        assert line["bootstrap_low_pct"] == pytest.approx(line["low_pct"], abs=0.3 * line["standard_error_pct"])
        assert line["bootstrap_high_pct"] == pytest.approx(line["high_pct"], abs=0.3 * line["standard_error_pct"])


def test_seeds_are_drawn_too():
    of = [score(*rows(0.45 + 0.03 * ((7 * s) % 10 - 4.5), seed=s, num=150), None) for s in range(10)]
    arm = bootstrap.arm_of("m", "a", range(10), of, 400, None)
    found = bootstrap.columns_of(arm.mean_B())
    assert found["bootstrap_error_pct"] == pytest.approx(arm_of("m", "a", range(10), of).mean().error, rel=0.25)
    again = bootstrap.arm_of("m", "a", [0], of[:1], 400, None)
    assert (arm.rates_BS[:, :1] == again.rates_BS).all()  # seeded, and shared by arms on the same instructions


def test_asking_for_it_moves_the_tables_key_and_no_judgement(tmp_path):
    plain, asked = read(tmp_path, STUDY), read(tmp_path, STUDY.replace("compare: {", "compare: {bootstrap: 2000, "))
    assert keys(plain) == keys(asked) and artifacts(asked) == {}
    assert (plain.table.bootstrap, asked.table.bootstrap) == (None, 2000)


@pytest.mark.parametrize("found", ["-1", "0", "1000000000"])
def test_draws_out_of_bounds_are_refused(tmp_path, found):
    refused(
        tmp_path, "compare: {", f"compare: {{bootstrap: {found}, ", f"bootstrap: found {found}; 100 to 100000 is legal"
    )
