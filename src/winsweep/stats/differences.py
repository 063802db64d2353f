"""Which arms of a study differ: each against parity with its reference and against the other arms of its model,
corrected for their number.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winsweep.stats.comparison import Scored
from winsweep.stats.uncertainty import Estimate, difference, holm, interval_pct, over_seeds

PARITY = 50.0


@dataclass(frozen=True)
class Arm:
    """An arm of one model: the head-to-head win rates [S] of its seeds and the influence [S, N] of each instruction on
    them, in percent.
    """

    model: str
    name: str
    seeds: tuple[object, ...]
    instructions: tuple[str, ...]
    values_S: np.ndarray
    psi_SN: np.ndarray
    least_error: float  # where no spread is seen because every row is won, or lost

    @property
    def is_reference(self) -> bool:
        """Whether it was compared with itself: all ties."""
        return not self.psi_SN.any() and (self.values_S == PARITY).all()

    def mean(self) -> Estimate:
        return over_seeds(self.values_S, self.psi_SN, self.least_error)


def arm_of(model: str, name: str, seeds: Sequence[object], cells: Sequence[Scored]) -> Arm:
    """The arm that these cells are the seeds of; they have the same instructions."""
    least = max((c.paired.standard_error_pct for c in cells if not c.paired.psi_N.any()), default=0.0)
    return Arm(
        model,
        name,
        tuple(seeds),
        cells[0].judged.instructions,
        np.array([c.paired.win_rate_pct for c in cells]),
        np.stack([c.paired.psi_N for c in cells]),
        least,
    )


def difference_rows(arms: Sequence[Arm]) -> list[dict[str, object]]:
    """Rows of differences.csv; an arm that is its own reference is left out, as others are tested against it by
    parity.
    """
    arms = [arm for arm in arms if not arm.is_reference]
    parity = [_line(arm, "parity", None, _beyond_parity(arm.mean())) for arm in arms]
    pairs = [
        _line(a, b.name, len(b.seeds), _between(a, b))
        for a, b in itertools.combinations(arms, 2)
        if a.model == b.model and a.instructions == b.instructions
    ]
    return [*_corrected(parity), *_corrected(pairs)]


def _between(a: Arm, b: Arm) -> Estimate:
    return difference(a.values_S, a.psi_SN, b.values_S, b.psi_SN, a.seeds == b.seeds, max(a.least_error, b.least_error))


def _beyond_parity(found: Estimate) -> Estimate:
    """Its interval is that of the win rate, which stays on the scale."""
    low, high = interval_pct(found.value, found.error, found.freedom)
    return Estimate(found.value - PARITY, found.error, low - PARITY, high - PARITY, found.freedom)


def _line(arm: Arm, against: str, num_seeds_against: int | None, found: Estimate) -> dict[str, object]:
    return {
        "model": arm.model,
        "arm": arm.name,
        "against": against,
        "difference_pct": found.value,
        "standard_error_pct": found.error,
        "low_pct": found.low,
        "high_pct": found.high,
        "p": found.p_of(0.0),
        "num_seeds": len(arm.seeds),
        "num_seeds_against": num_seeds_against,
    }


def _corrected(family: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    return [{**line, "p_holm": p} for line, p in zip(family, holm([line["p"] for line in family]))]
