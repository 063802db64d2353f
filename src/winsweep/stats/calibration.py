"""What people would say where a judge was asked: a win rate corrected for the judge's errors, which a comparison with
people's votes has counted.

theta = (p + q0 - 1) / (q0 + q1 - 1) (Rogan & Gladen 1978), with the interval of Lang & Reiczigel (2014) as Lee et al.
(arXiv:2511.21140) give it for judges: p is the share that the judge gives to the candidate, q1 the part of the pairs
which people gave to the candidate that the judge gives it, too, and q0 the same of the reference.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Z95 = 1.959963984540054  # 97.5 % point of the normal distribution
NAMES = ("calibrated_win_rate_pct", "calibrated_low_pct", "calibrated_high_pct")


@dataclass(frozen=True)
class Calibration:
    """A judge's shares of right answers, each with the number of independent cases that it is worth.

    `is_symmetric`: which side is the candidate's decides nothing of what the judge sees, so that q0 and q1 are one
    figure of all pairs.
    """

    q0: float
    q1: float
    n0: float
    n1: float
    is_symmetric: bool

    @property
    def gain(self) -> float:
        """q0 + q1 - 1: what a difference of people's win rates becomes by this judge; 0 by chance."""
        return self.q0 + self.q1 - 1

    @property
    def gain_low(self) -> float:
        """The lower end of its 95 % interval."""
        q0, q1, n0, n1 = _smoothed(self)
        error = _error(q0, n0) ** 2 + _error(q1, n1) ** 2
        error = 4 * _error(q0, n0) ** 2 if self.is_symmetric else error
        return q0 + q1 - 1 - Z95 * math.sqrt(error)

    @property
    def is_usable(self) -> bool:
        """Whether the judge is better than chance, beyond doubt of 95 %: by another one nothing can be corrected."""
        return self.gain_low > 0

    def plain(self) -> dict[str, float]:
        return {"q0": self.q0, "q1": self.q1, "n0": self.n0, "n1": self.n1, "is_symmetric": float(self.is_symmetric)}


def of_plain(found: Mapping[str, float]) -> Calibration:
    """What `plain` gave; ValueError, KeyError or TypeError for anything else."""
    q0, q1, n0, n1 = (float(found[name]) for name in ("q0", "q1", "n0", "n1"))
    if not (0 <= q0 <= 1 and 0 <= q1 <= 1 and 0 < n0 < math.inf and 0 < n1 < math.inf):
        raise ValueError(f"found q0 {q0}, q1 {q1} of {n0} and {n1} cases; legal are shares of some cases")
    return Calibration(q0, q1, n0, n1, bool(found["is_symmetric"]))


def calibrated_pct(win_rate_pct: float, standard_error_pct: float, num: int, by: Calibration) -> tuple[float, ...]:
    """The win rate that people would give and its 95 % interval, in percent, from 0 to 100: as sure as the judge's win
    rate over its `num` instructions and the judge's own figures leave it. ValueError for a judge that is not usable.
    """
    if not by.is_usable:
        raise ValueError("a judge that is not better than chance; legal is one whose is_usable is true")
    p, error = win_rate_pct / 100, standard_error_pct / 100
    theta = (p + by.q0 - 1) / by.gain
    worth = p * (1 - p) / error**2 if error and 0 < p < 1 else float(num)
    low, high = _interval(p, worth, by)
    within = min(1.0, max(0.0, theta))
    # where the formula gives less than 0 or more than 1, the interval moves with it: its ends alone would have no width
    low, high = min(low, theta) + within - theta, max(high, theta) + within - theta
    return tuple(100 * min(1.0, max(0.0, x)) for x in (within, low, high))


def _interval(p: float, num: float, by: Calibration) -> tuple[float, float]:
    q0, q1, n0, n1 = _smoothed(by)
    p, num = (num * p + Z95**2 / 2) / (num + Z95**2), num + Z95**2
    gain = q0 + q1 - 1
    theta = (p + q0 - 1) / gain
    v0, v1 = _error(q0, n0) ** 2, _error(q1, n1) ** 2
    if by.is_symmetric:  # one figure with one error
        shift, spread = 2 * Z95**2 * (2 * theta - 1) * v0, (1 - 2 * theta) ** 2 * v0
    else:
        shift = 2 * Z95**2 * (theta * v1 - (1 - theta) * v0)
        spread = (1 - theta) ** 2 * v0 + theta**2 * v1
    half = Z95 * math.sqrt(_error(p, num) ** 2 + spread) / gain
    return theta + shift - half, theta + shift + half


def _smoothed(by: Calibration) -> tuple[float, float, float, float]:
    """Shares with a case more on either side, so that one of 0 or 1 has an error, too."""
    q0, q1 = ((n * q + 1) / (n + 2) for q, n in ((by.q0, by.n0), (by.q1, by.n1)))
    return q0, q1, by.n0 + 2, by.n1 + 2


def _error(share: float, num: float) -> float:
    return math.sqrt(max(0.0, share * (1 - share)) / num)
