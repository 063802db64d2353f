"""How far the judges of a jury agree: the same verdict, and Krippendorff's alpha of their preferences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.stats.annotations import is_preference
from winsweep.stats.columns import LEAST_ALPHA, LITTLE

Row = Mapping[str, Any]


@dataclass(frozen=True)
class JuryAgreement:
    """Of the pairs that judges were asked about; identical outputs tie without a question and do not count."""

    alpha: float | None  # 1 at best, 0 by chance; None where no preference differs from any other
    share_same: float  # fraction of pairs of judges and rows with the same verdict: candidate, tie or reference
    win_rates_pct: tuple[float, ...]  # by each judge alone, over all rows


def jury_agreement(rows: Sequence[Row]) -> JuryAgreement | None:
    """The agreement of rows that a jury judged, None for rows that none did; BadData for rows of two juries."""
    each = [row.get("preferences_by_judge") for row in rows]
    if not rows or all(said is None for said in each):
        return None
    num = len(each[0] or ())
    for row, said in zip(rows, each):
        if not isinstance(said, list) or len(said) != num or num < 2 or not all(map(is_preference, said)):
            raise BadData(
                f"{excerpt(row['instruction'])}: preferences_by_judge is {excerpt(said)}; legal are {max(num, 2)} "
                f"numbers "
                f"from 1 to 2, as in the first row; judge that pair again"
            )
    all_NJ = np.array(each, dtype=float)
    asked_NJ = all_NJ[[row["output_1"] != row["output_2"] for row in rows]]
    verdicts_NJ = np.sign(asked_NJ - 1.5)
    same = [verdicts_NJ[:, a] == verdicts_NJ[:, b] for a, b in combinations(range(num), 2)]
    share = float(np.mean(same)) if len(asked_NJ) else 1.0
    return JuryAgreement(interval_alpha(asked_NJ), share, tuple(map(float, 100 * (all_NJ.mean(0) - 1))))


def interval_alpha(values_NJ: np.ndarray) -> float | None:
    """Krippendorff's alpha for interval data of J judges on N units, each unit judged by all of them; None where no
    value differs from another.

    1 - D_o / D_e with squared differences (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"): within
    units the mean sample variance, over all values theirs.
    """
    if values_NJ.size < 2 or np.ptp(values_NJ) == 0:
        return None
    return float(1 - values_NJ.var(axis=1, ddof=1).mean() / values_NJ.var(ddof=1))


def told(found: JuryAgreement | None) -> str:
    """A note where the judges agree too little for their mean to stand for each of them, or nothing."""
    if found is None or found.alpha is None or found.alpha >= LEAST_ALPHA:
        return ""
    return LITTLE
