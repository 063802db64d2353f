"""Agreement in a jury, beside a literal reference and Krippendorff's own example."""

from itertools import permutations

import numpy as np
import pytest

from winsweep import table_view
from winsweep.errors import BadData
from winsweep.stats import arm_means
from winsweep.stats.columns import LITTLE
from winsweep.stats.jury_agreement import interval_alpha, jury_agreement, told


def reference_alpha(units: list[list[float]]) -> float:
    """Krippendorff 2011: 1 - observed / expected disagreement, every ordered pair of values one by one."""
    values = [v for unit in units for v in unit]
    observed = sum((a - b) ** 2 / (len(u) - 1) for u in units for a, b in permutations(u, 2)) / len(values)
    expected = sum((a - b) ** 2 for a, b in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - observed / expected


def row(i: int, said: list[float], output_2: str = "b") -> dict:
    return {"instruction": f"Q{i}", "output_1": "a", "output_2": output_2, "preferences_by_judge": said}


@pytest.mark.parametrize("num_judges", [2, 3, 5])
def test_alpha_is_that_of_every_pair_one_by_one(num_judges):
    values_NJ = np.random.default_rng(num_judges).uniform(1, 2, (40, num_judges)) ** 2
    assert interval_alpha(values_NJ) == pytest.approx(reference_alpha(values_NJ.tolist()), abs=1e-12)
    assert interval_alpha(np.repeat(values_NJ[:, :1], num_judges, axis=1)) == 1.0
    assert interval_alpha(np.ones((4, num_judges))) is None


def test_pairs_that_nobody_was_asked_about_count_for_win_rates_alone():
    rows = [row(0, [1.9, 1.6, 1.2]), row(1, [1.1, 1.5, 1.4]), row(2, [1.5, 1.5, 1.5], output_2="a")]
    found = jury_agreement(rows)
    assert found.alpha == pytest.approx(reference_alpha([[1.9, 1.6, 1.2], [1.1, 1.5, 1.4]]))
    assert found.share_same == pytest.approx(2 / 6)  # of Q0 the first two, of Q1 the first and the last
    assert found.win_rates_pct == pytest.approx((50, 100 * 1.6 / 3, 100 * 1.1 / 3))
    assert told(found).startswith("the judges of the jury agree little: Krippendorff's alpha")
    assert jury_agreement([{"instruction": "Q", "output_1": "a", "output_2": "b"}]) is None and told(None) == ""


def test_judges_that_always_agree_are_no_note():
    found = jury_agreement([row(0, [1.9, 1.9]), row(1, [1.1, 1.1])])
    assert found.alpha == 1 and found.share_same == 1 and told(found) == ""


@pytest.mark.parametrize("said", [[1.5], [1.5, 2.5], None, "12", [1.5, float("nan")], [1.5, 1.5, 1.5]])
def test_rows_of_another_jury_are_refused(said):
    with pytest.raises(BadData, match=r"'Q1': preferences_by_judge is .*; legal are 2 numbers from 1 to 2"):
        jury_agreement([row(0, [1.2, 1.3]), row(1, said)])


def test_a_jury_is_spoken_of_once():
    """One note in the terminal for all cells, the mean row has the mean of each judge, and a prompt is no judge."""
    rows = [{"jury_alpha": alpha, "note": LITTLE, "judge": "jury"} for alpha in ("0.31", "0.2", "0.25")]
    assert table_view._jury(rows) == f"note: {LITTLE} (0.20 to 0.31) in 3 rows; their mean stands for none of them."
    assert table_view._jury([{"jury_alpha": "0.9", "note": ""}]) == ""
    assert arm_means._of_judges(["40.0 60.0", "50.0 61.0"]) == "45.0 60.5"
    assert arm_means._of_judges([None, "50.0 61.0"]) is None
    asked = [{"judge": "weighted_alpaca_eval_gpt4_turbo", "judge_model": "x"}, {"judge": "rubric", "judge_model": "y"}]
    assert table_view.judges(asked) == "rubric (y), x (prompt weighted_alpaca_eval_gpt4_turbo)"
