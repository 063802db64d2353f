"""Two judges of the same pairs."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from winsweep.errors import Incomplete
from winsweep.stats.agreement import agreement

from .published import make_rows


def two(a: list[float], b: list[float]) -> tuple[list[dict], list[dict]]:
    return make_rows(a, list(range(len(a))))[0], make_rows(b, list(range(len(b))))[0]


def test_shares_and_correlations_are_those_of_the_pairs_in_any_order():
    rng = np.random.default_rng(0)
    a = 1 + rng.random(60)
    b = np.clip(a + rng.normal(0, 0.2, 60), 1, 2)
    first, second = two(a.tolist(), b.tolist())
    found = agreement(first, second[::-1])
    assert found.n == 60 and found.share_same_verdict == np.mean((a > 1.5) == (b > 1.5))
    assert found.correlation == pytest.approx(pearsonr(a, b).statistic) and found.rank_correlation == pytest.approx(
        spearmanr(a, b).statistic
    )
    assert found.difference_pct == pytest.approx(
        100 * (a - b).mean()
    ) and found.difference_standard_error_pct == pytest.approx(100 * (a - b).std(ddof=1) / 60**0.5)
    chance = np.mean(a > 1.5) * np.mean(b > 1.5) + np.mean(a < 1.5) * np.mean(b < 1.5)
    assert found.kappa == pytest.approx((found.share_same_verdict - chance) / (1 - chance))


def test_a_judge_who_never_varies_has_no_correlation():
    found = agreement(*two([1.5] * 6, [1.5] * 6))
    assert (found.share_same_verdict, found.kappa, found.correlation) == (1.0, None, None)


def test_other_outputs_are_refused_by_name():
    first, second = two([1, 2, 1], [1, 2, 1])
    second[1]["output_2"] += "!"
    with pytest.raises(Incomplete, match=r"judged of other outputs: 'instruction 001' .1 in all"):
        agreement(first, second)
    with pytest.raises(Incomplete, match="no judgement for: 'instruction 002'"):
        agreement(first, two([1, 2], [1, 2])[1])
