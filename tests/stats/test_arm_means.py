"""Rows over seeds: means, sample deviations, intervals; and which arms differ."""

import itertools
import statistics
from collections.abc import Mapping, Sequence

import pytest
from scipy.stats import ttest_rel

from winsweep.stats.arm_means import arms_of, families, mean_row
from winsweep.stats.control import FIGURES
from winsweep.stats.differences import difference_rows

from .cells import cell


def means(cells: list, varying: Sequence[str] = ("epochs",), published: Mapping | None = None) -> list[dict]:
    of = families(*map(list, zip(*cells)), varying)
    return [mean_row(family, varying, published or {}) for family in of if len(family) > 1]


def test_seeds_become_a_mean_and_a_sample_deviation():
    cells = [cell("gsm", s, 0.3) for s in (1, 2, 3)]
    (mean,) = means([*cells, cell("base", 1, 0.1)], published={"llama.gsm": (23.7, 0.74), "olmo.gsm": (1.0, 1.0)})
    assert (mean["model"], mean["task"], mean["seed"], mean["epochs"], mean["num_seeds"]) == (
        "llama",
        "gsm",
        "mean",
        7,
        3,
    )
    for column, deviation in (
        ("lc_win_rate_pct", "lc_std_pct"),
        ("win_rate_pct", "std_pct"),
        ("paired_win_rate_pct", "paired_std_pct"),
        ("style_win_rate_pct", "style_std_pct"),
    ):
        values = [row[column] for row, _ in cells]
        assert mean[column] == pytest.approx(statistics.fmean(values)) and mean[deviation] == pytest.approx(
            statistics.stdev(values)
        )
    assert (mean["published_pct"], mean["published_std_pct"]) == (23.7, 0.74) and mean[
        "difference_pct"
    ] == pytest.approx(mean["lc_win_rate_pct"] - 23.7)
    assert (
        mean["n"] == 60
        and mean["note"].startswith("the published deviation may be of seeds that share one order of the rows")
        and mean["chrf"] is None
    )
    for figure in FIGURES.values():
        assert mean[figure.low] < mean[figure.rate] < mean[figure.high]
    assert mean["paired_standard_error_pct"] >= mean["paired_std_pct"] / 3**0.5
    assert mean["standard_error_pct"] >= mean["std_pct"] / 3**0.5


def test_points_of_a_grid_are_arms_of_their_own():
    assert len(means([cell("gsm", s, 0.3, epochs=e) for s in (1, 2) for e in (5, 7)])) == 2


def test_the_spread_of_one_set_of_outputs_is_said_to_be_the_references():
    (mean,) = means([cell("base", s, 0.1, outputs="same") for s in (1, 2)])
    assert mean["note"] == "one set of outputs against 2 references: the spread is theirs"


def test_arms_are_told_apart_and_corrected_for_their_number():
    cells = [cell(task, s, mean) for task, mean in (("weak", 0.2), ("twin", 0.21), ("strong", 0.6)) for s in (1, 2, 3)]
    cells += [cell("ins", s, 0.5, ties=True) for s in (1, 2, 3)]
    rows = difference_rows(arms_of(families(*map(list, zip(*cells)), []), [], "length"))
    assert [(r["arm"], r["against"]) for r in rows] == [(a, "parity") for a in ("weak", "twin", "strong")] + list(
        itertools.combinations(("weak", "twin", "strong"), 2)
    )
    told = {(r["arm"], r["against"]): r for r in rows}
    assert (
        told["weak", "strong"]["p_holm"] < 0.05
        and told["weak", "strong"]["high_pct"] < 0
        and told["weak", "parity"]["p_holm"] < 0.05
    )
    assert (
        told["weak", "twin"]["p_holm"] > 0.1
        and all(r["p"] <= r["p_holm"] <= 1 for r in rows)
        and {r["num_seeds"] for r in rows} == {3}
    )


def test_one_seed_each_is_a_paired_test_over_instructions():
    a, b = cell("weak", 1, 0.2), cell("other", 1, 0.4)
    (row,) = [
        r
        for r in difference_rows(arms_of(families(*map(list, zip(a, b)), []), [], "length"))
        if r["against"] == "other"
    ]
    psi = [scored.paired.psi_N + scored.paired.win_rate_pct for _, scored in (a, b)]
    assert row["p"] == pytest.approx(ttest_rel(*psi).pvalue, rel=1e-6)


def test_arms_on_other_instructions_are_not_compared():
    row, scored = cell("weak", 1, 0.2)
    from dataclasses import replace

    other = replace(
        scored, judged=replace(scored.judged, instructions=tuple(f"{t}?" for t in scored.judged.instructions))
    )
    rows = difference_rows(arms_of(families([row, row | {"task": "far"}], [scored, other], []), [], "length"))
    assert [(r["arm"], r["against"]) for r in rows] == [("weak", "parity"), ("far", "parity")]
