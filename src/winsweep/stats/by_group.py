"""The plain win rate of an arm on some of its instructions (a category, a range of lengths), with its 95 % interval.

Plain, as a group has too few rows to tell merit from length in each: the mean of an arm's groups, weighted by their
rows, is its plain win rate. Shapes: S seeds, N instructions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from winsweep.stats.paired import raw
from winsweep.stats.uncertainty import interval_pct, over_seeds

MOST_RANGES = 4


@dataclass(frozen=True)
class GroupRate:
    """A plain win rate in percent over `n` instructions and all seeds."""

    n: int
    win_rate_pct: float
    low_pct: float
    high_pct: float


def group_rate(wins_SN: np.ndarray) -> GroupRate:
    """The mean over seeds, as sure as other seeds and other instructions of the group would leave it; of one row alone
    the interval is that of one seed, as no spread is seen.
    """
    cells = [raw(wins_N, "") for wins_N in wins_SN]
    num, values_S = wins_SN.shape[1], np.array([c.win_rate_pct for c in cells])
    if num == 1:
        return GroupRate(num, float(values_S.mean()), float(cells[0].low_pct), float(cells[0].high_pct))
    least = max((c.standard_error_pct for c in cells if not c.psi_N.any()), default=0.0)
    found = over_seeds(values_S, np.stack([c.psi_N for c in cells]), least)
    return GroupRate(num, found.value, *interval_pct(found.value, found.error, found.freedom))


def length_ranges(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """At most MOST_RANGES ranges (both ends in them) with about as many of `lengths` in each; equal lengths stay
    together.
    """
    ordered = sorted(lengths)
    cuts = {ordered[len(ordered) * k // MOST_RANGES] for k in range(1, MOST_RANGES)} - {ordered[0]}
    starts = [ordered[0], *sorted(cuts)]
    return [(a, b - 1) for a, b in zip(starts, [*starts[1:], ordered[-1] + 1])]
