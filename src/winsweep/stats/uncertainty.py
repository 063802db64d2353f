"""How sure a mean over seeds and instructions is: seeds as a random effect, differences of arms, and Holm's correction.

Shapes: S seeds of an arm, N instructions that all of them answered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, stdtr, stdtrit

Z95 = 1.959963984540054  # 97.5 % point of the normal distribution
ROUNDING = 1e-9  # less is what sums of a table's numbers lose


@dataclass(frozen=True)
class Estimate:
    """A mean in percentage points with its standard error, 95 % interval (Student's t) and degrees of freedom.

    `parts`: its variance over seeds, over rows, and what both of these hold; none where they are not told apart.
    """

    value: float
    error: float
    low: float
    high: float
    freedom: float
    parts: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def p_of(self, null: float) -> float:
        """Two-sided p of the value being `null`; without any spread 1 where it is that, to rounding, else 0."""
        if self.error < ROUNDING:
            return float(abs(self.value - null) < ROUNDING)
        return float(2 * stdtr(self.freedom, -abs(self.value - null) / self.error))


def over_seeds(values_S: np.ndarray, psi_SN: np.ndarray, least_error: float = 0.0) -> Estimate:
    """The mean over seeds, as sure as other seeds and other instructions would leave it; see over_seeds_of_many."""
    return over_seeds_of_many(values_S[None], psi_SN[None], np.array([least_error]))[0]


def over_seeds_of_many(values_MS: np.ndarray, psi_MSN: np.ndarray, least_error_M: np.ndarray) -> list[Estimate]:
    """The mean over seeds of each of M arms, or differences of arms, with as many seeds and instructions.

    `psi_MSN` holds each row's influence on the value of its seed. Variance: s²/S over seeds + that of the seeds' mean
    influence over instructions / N - the part which both hold, that of seed × instruction (two-way clustering: Cameron,
    Gelbach & Miller 2011, equation 2.13), at least the larger of the first two. Degrees of freedom: Satterthwaite's
    (1946). With one seed, instructions alone.
    """
    num_all, num_seeds, num = psi_MSN.shape
    rows_M = psi_MSN.mean(axis=1).var(axis=1, ddof=1) / num
    if num_seeds == 1:
        variance_M = np.maximum(rows_M, least_error_M**2)
        return [
            replace(estimate(float(v), float(x), num - 1), parts=(0.0, float(x), 0.0))
            for v, x in zip(values_MS[:, 0], variance_M, strict=True)
        ]
    seeds_M = values_MS.var(axis=1, ddof=1) / num_seeds
    whole_M = psi_MSN.reshape(num_all, -1).mean(axis=1)
    both_MSN = psi_MSN - psi_MSN.mean(axis=1, keepdims=True) - psi_MSN.mean(axis=2, keepdims=True)
    both_MSN += whole_M[:, None, None]
    both_M = np.square(both_MSN, out=both_MSN).reshape(num_all, -1).sum(axis=1)
    both_M = both_M / ((num_seeds - 1) * (num - 1)) / (num_seeds * num)
    return [
        _of_parts(value, seeds, rows, seeds + rows - both, least_error, num_seeds, num)
        for value, seeds, rows, both, least_error in zip(
            *(x.tolist() for x in (values_MS.mean(axis=1), seeds_M, rows_M, both_M, least_error_M)), strict=True
        )
    ]


def _of_parts(
    value: float, seeds: float, rows: float, together: float, least_error: float, num_seeds: int, num: int
) -> Estimate:
    """The estimate from the variances over seeds, over rows and of both."""
    variance = max(together, seeds, rows, least_error**2)
    freedom = variance**2 / (seeds**2 / (num_seeds - 1) + rows**2 / (num - 1)) if seeds + rows else num - 1
    both = seeds + rows - together
    return replace(estimate(value, variance, min(freedom, num - 1)), parts=(seeds, rows, both))


def difference(
    a_S: np.ndarray,
    psi_a_SN: np.ndarray,
    b_S: np.ndarray,
    psi_b_SN: np.ndarray,
    are_matched: bool,
    least_error: float = 0.0,
) -> Estimate:
    """The mean of one arm less that of another over the same instructions; `are_matched`: seed s of both share what a
    seed decides.

    Without matched seeds, the spreads over seeds add up, and the instructions are still paired.
    """
    if are_matched:
        return over_seeds(a_S - b_S, psi_a_SN - psi_b_SN, least_error)
    num = psi_a_SN.shape[1]
    rows = float((psi_a_SN.mean(axis=0) - psi_b_SN.mean(axis=0)).var(ddof=1)) / num
    seeds = [(float(v.var(ddof=1)) / len(v), len(v) - 1) for v in (a_S, b_S) if len(v) > 1]
    variance = max(rows + sum(s for s, _ in seeds), least_error**2)
    below = rows**2 / (num - 1) + sum(s**2 / freedom for s, freedom in seeds)
    return estimate(float(a_S.mean() - b_S.mean()), variance, min(variance**2 / below, num - 1) if below else num - 1)


def estimate(value: float, variance: float, freedom: float) -> Estimate:
    """The value with its interval."""
    error = math.sqrt(variance)
    half = float(stdtrit(freedom, 0.975)) * error if error else 0.0
    return Estimate(value, error, value - half, value + half, freedom)


def interval_pct(value: float, error: float, freedom: float) -> tuple[float, float]:
    """The 95 % interval of a win rate in percent, symmetric in logits: so it stays within 0 and 100 and is honest near
    them. Of 0 and 100, where it can reach one way only, it is as wide as the error says.
    """
    share = value / 100
    if not error:
        return value, value
    if share in (0, 1):  # no logit
        return (0.0, min(100.0, 2 * Z95 * error)) if share == 0 else (max(0.0, 100 - 2 * Z95 * error), 100.0)
    half = float(stdtrit(freedom, 0.975)) * error / 100 / (share * (1 - share))
    return 100 * float(expit(logit(share) - half)), 100 * float(expit(logit(share) + half))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p of each test, so that the chance of any false rejection among all of them stays at its level (Holm
    1979).
    """
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = adjusted[i] = max(largest, min(1.0, (len(p) - rank) * p[i]))
    return adjusted
