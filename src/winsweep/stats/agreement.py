"""How far two judges of the same outputs agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winsweep.errors import Incomplete
from winsweep.judge.matching import renamed
from winsweep.quoting import excerpt
from winsweep.stats.annotations import NUM_NAMED, judged

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Agreement:
    """Two judges of N pairs. Verdicts are candidate, tie or reference; with log-prob weights nearly nothing is
    a tie.
    """

    n: int
    share_same_verdict: float  # fraction
    # Cohen's (1960) of the verdicts, 1 at best, 0 by chance; None where both judges always say the same one thing
    kappa: float | None
    correlation: float | None  # Pearson's of the preferences; None where either judge's do not vary
    rank_correlation: float | None  # Spearman's
    difference_pct: float  # win rate by the first judge less that by the second, in points
    difference_standard_error_pct: float  # over the same instructions


def agreement(first: Sequence[Row], second: Sequence[Row]) -> Agreement:
    """The agreement of two lists of annotation rows, in any order.

    Errors are those of `annotations.judged`, and Incomplete, naming instructions, unless both judged the same two
    outputs of every one.
    """
    texts = sorted(row["instruction"] for row in first)
    second, _ = renamed(second, texts)
    a, b = judged(first, texts), judged(second, texts)
    other = {row["instruction"]: (row["output_1"], row["output_2"]) for row in second}
    differ = [row["instruction"] for row in first if (row["output_1"], row["output_2"]) != other[row["instruction"]]]
    if differ:
        shown = ", ".join(excerpt(text) for text in sorted(differ)[:NUM_NAMED])
        raise Incomplete(
            f"rows: judged of other outputs: {shown} ({len(differ)} in all); legal are the same two outputs in both "
            f"files"
        )
    return _compare(a.wins_N, b.wins_N)


def _compare(a_N: np.ndarray, b_N: np.ndarray) -> Agreement:
    from scipy.stats import rankdata
    from sklearn.metrics import cohen_kappa_score

    verdicts = np.sign(a_N - 0.5), np.sign(b_N - 0.5)
    is_constant = len(np.unique(np.concatenate(verdicts))) == 1
    gap_N, num = 100 * (a_N - b_N), len(a_N)
    return Agreement(
        num,
        float((verdicts[0] == verdicts[1]).mean()),
        None if is_constant else float(cohen_kappa_score(*verdicts)),
        _correlation(a_N, b_N),
        _correlation(rankdata(a_N), rankdata(b_N)),
        float(gap_N.mean()),
        float(gap_N.std(ddof=1)) / num**0.5 if num > 1 else 50.0,
    )


def _correlation(a_N: np.ndarray, b_N: np.ndarray) -> float | None:
    return None if np.ptp(a_N) == 0 or np.ptp(b_N) == 0 else float(np.corrcoef(a_N, b_N)[0, 1])
