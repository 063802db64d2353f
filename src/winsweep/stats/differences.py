"""Which arms of a study differ: each against parity with its reference and against the other arms of its model,
corrected for their number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winsweep.stats.comparison import Scored
from winsweep.stats.control import Control
from winsweep.stats.power import LEVEL, instructions_needed
from winsweep.stats.uncertainty import Estimate, difference, holm, interval_pct, over_seeds, over_seeds_of_many

PARITY = 50.0
AT_ONCE = 1 << 14  # numbers of influence that are worked on together: what a core's cache holds


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


def arm_of(model: str, name: str, seeds: Sequence[object], cells: Sequence[Scored], control: Control = "length") -> Arm:
    """The arm that these cells are the seeds of, by its win rate under `control`; they have the same instructions."""
    found = [cell.figure(control) for cell in cells]
    least = max((f.standard_error_pct for f in found if not f.psi_N.any()), default=0.0)
    return Arm(
        model,
        name,
        tuple(seeds),
        cells[0].judged.instructions,
        np.array([f.win_rate_pct for f in found]),
        np.stack([f.psi_N for f in found]),
        least,
    )


def difference_rows(arms: Sequence[Arm]) -> list[dict[str, object]]:
    """Rows of differences.csv; an arm that is its own reference is left out, as others are tested against it by
    parity.
    """
    arms = [arm for arm in arms if not arm.is_reference]
    parity = [
        (_line(arm, "parity", None, found), found, len(arm.instructions))
        for arm in arms
        for found in [_beyond_parity(arm.mean())]
    ]
    alike: dict[tuple, list[Arm]] = {}
    for arm in arms:
        alike.setdefault((arm.model, arm.instructions), []).append(arm)
    behind = {id(arm): of[n + 1 :] for of in alike.values() for n, arm in enumerate(of)}
    pairs = [
        (_line(a, b.name, len(b.seeds), found), found, len(a.instructions))
        for a in arms
        for b, found in zip(behind[id(a)], _from_each(a, behind[id(a)]), strict=True)
    ]
    return [*_corrected(parity), *_corrected(pairs)]


def _from_each(a: Arm, others: Sequence[Arm]) -> list[Estimate]:
    """By how much an arm is above each of the others, which have the same instructions: those with the same seeds
    several at once, as a thousand arms have half a million pairs.
    """
    matched = [b for b in others if b.seeds == a.seeds]
    size = max(1, AT_ONCE // a.psi_SN.size)
    found = {
        id(b): estimate
        for of in (matched[n : n + size] for n in range(0, len(matched), size))
        for b, estimate in zip(
            of,
            over_seeds_of_many(
                a.values_S - np.stack([b.values_S for b in of]),
                a.psi_SN - np.stack([b.psi_SN for b in of]),
                np.array([max(a.least_error, b.least_error) for b in of]),
            ),
            strict=True,
        )
    }
    return [found[id(b)] if id(b) in found else _unmatched(a, b) for b in others]


def _unmatched(a: Arm, b: Arm) -> Estimate:
    least_error = max(a.least_error, b.least_error)
    return difference(a.values_S, a.psi_SN, b.values_S, b.psi_SN, False, least_error)


def _beyond_parity(found: Estimate) -> Estimate:
    """Its interval is that of the win rate, which stays on the scale."""
    low, high = interval_pct(found.value, found.error, found.freedom)
    return Estimate(found.value - PARITY, found.error, low - PARITY, high - PARITY, found.freedom, found.parts)


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


def _corrected(family: Sequence[tuple[Mapping[str, Any], Estimate, int]]) -> list[dict[str, object]]:
    """The lines of a family of tests (each with its estimate and the number of instructions), with what hangs on how
    many tests there are.
    """
    p_holm = holm([line["p"] for line, *_ in family])
    left = [i for i, p in enumerate(p_holm) if p >= LEVEL]
    needed: dict[int, int] = {}
    if left:
        found_T = instructions_needed(
            np.array([abs(family[i][1].value) for i in left]),
            np.array([family[i][1].parts for i in left]),
            np.array([family[i][2] for i in left]),
            np.array([family[i][0]["num_seeds"] for i in left]),
            LEVEL / len(left),
        )
        needed = {i: int(num) for i, num in zip(left, found_T.tolist(), strict=True) if math.isfinite(num)}
    return [
        {**line, "p_holm": p, "instructions_needed": needed.get(i)}
        for i, ((line, *_), p) in enumerate(zip(family, p_holm, strict=True))
    ]
