"""How sure a share is when its cases come in groups."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Share:
    """A share of `num` cases as a fraction, and its 95 % interval."""

    share: float
    low: float
    high: float
    num: int


def share_of(groups: Sequence[Sequence[float]]) -> Share:
    """The share of true cases over all groups (a tie may be half a case), and its Wilson interval (1927) for as many
    independent cases as the groups are worth.

    Cases of one group tell less than as many from different ones. Their number is divided by the design effect, the
    variance of the share between groups (that of a ratio of totals) over the one that independent cases would have
    (Kish 1965), never below 1. Where all cases are alike the effect cannot be seen, and every group counts once. A
    plain Wilson interval would be too narrow; a bootstrap over groups agrees with this one, but has no width where all
    cases are alike. ValueError for no cases.
    """
    wins_G, sizes_G = np.array([sum(g) for g in groups], float), np.array([len(g) for g in groups], float)
    num = sizes_G.sum()
    if not num:
        raise ValueError("a share of no cases; legal is at least one")
    share = wins_G.sum() / num
    independent = float(len(groups))
    if 0 < share < 1:
        between = ((wins_G - share * sizes_G) ** 2).sum() / num**2
        independent = float(min(num, share * (1 - share) / between)) if between else float(num)
    return Share(float(share), *_wilson(float(share), independent), int(num))


def _wilson(share: float, num: float) -> tuple[float, float]:
    middle = (share + Z95**2 / (2 * num)) / (1 + Z95**2 / num)
    half = Z95 / (1 + Z95**2 / num) * math.sqrt(share * (1 - share) / num + Z95**2 / (4 * num**2))
    return max(0.0, middle - half), min(1.0, middle + half)
