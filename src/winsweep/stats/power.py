"""How small a difference a study can find: the power of the tests of differences.csv before there is anything to test,
and how many instructions would tell what they could not. Pure.

Percentage points throughout. A win of seed s on instruction i is taken as mean + seed + instruction + both, each part
normal and independent of the others; the test is that of `uncertainty.over_seeds`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtr, stdtrit

LEVEL, POWER = 0.05, 0.8  # two-sided; found 4 times in 5
NODES = 400  # of the integral over the spread of seeds that a study may see
STEPS = 12  # of a fixed point
MOST = 10_000_000  # instructions that may be said to be needed


@dataclass(frozen=True)
class Noise:
    """What moves the wins of an arm, in percentage points.

    `row`: standard deviation of one row's win. `between_seeds`, `between_arms`: correlation of the wins on the same
    instruction of two seeds of an arm, and of two arms. `seed`: standard deviation over seeds of the win rate on
    infinitely many instructions. `source`: where these come from, for a reader.
    """

    row: float
    between_seeds: float
    between_arms: float
    seed: float
    source: str


# row: that of win rates at equal length of FuseChat's two models on AlpacaEval 2 (41.5, 41.1). between_arms: the median
# over pairs of the 11 models of AlpacaEval 2 with a judgement of all 805 instructions. The seeds: so that five seeds
# spread by 1.0 point on 805 instructions, as the arms of table 1 of Hewitt et al. (2024) do.
PUBLISHED = Noise(
    41.0,
    0.7,
    0.37,
    0.5,
    "a row's win varies by 41 points (more where lengths differ much from the reference's), two arms' wins on an "
    "instruction correlate by 0.37 (models that AlpacaEval publishes); seeds by 0.7, and seeds differ by 0.5 points "
    "(chosen to give the spread of Hewitt et al., 2024)",
)


@dataclass(frozen=True)
class Parts:
    """The variance of a mean over seeds and instructions by what it comes from: seeds alone, instructions alone, both.
    Each is of the mean itself, in points squared.
    """

    seeds: float
    rows: float
    both: float

    @property
    def variance(self) -> float:
        return self.seeds + self.rows + self.both


def of_parity(noise: Noise, num: int, num_seeds: int) -> Parts:
    """Of the win rate of an arm, which is tested against 50."""
    alone = noise.row**2 * (1 - noise.between_seeds) / (num * num_seeds)
    return Parts(_of_seeds(noise, num_seeds), noise.row**2 * noise.between_seeds / num, alone)


def of_two_arms(noise: Noise, num: int, num_seeds: int) -> Parts:
    """Of the difference of two arms that answered the same instructions, with the same seeds: what an instruction does
    to both drops out.
    """
    shared = max(0.0, noise.between_seeds - noise.between_arms)
    alone = 2 * noise.row**2 * (1 - max(noise.between_seeds, noise.between_arms)) / (num * num_seeds)
    return Parts(2 * _of_seeds(noise, num_seeds), 2 * noise.row**2 * shared / num, alone)


def _of_seeds(noise: Noise, num_seeds: int) -> float:
    """With one seed, what is tested is that very model: other seeds are no part of the question."""
    return noise.seed**2 / num_seeds if num_seeds > 1 else 0.0


def power(difference: float, parts: Parts, num: int, num_seeds: int, level: float = LEVEL) -> float:
    """How often the test finds a difference of this size, at a two-sided level: the chance that |mean| exceeds the
    critical t × the standard error that the study sees.

    What it sees of the spread over seeds is a χ² variable with S - 1 degrees of freedom, over which is integrated at
    the middles of NODES equal shares; what it sees of the instructions is taken as known, as there are many.
    """
    error_Q, freedom_Q = _seen(parts, num, num_seeds)
    reach_Q = stdtrit(freedom_Q, 1 - level / 2) * error_Q
    true = math.sqrt(parts.variance)
    return float((ndtr((difference - reach_Q) / true) + ndtr((-difference - reach_Q) / true)).mean())


def detectable(parts: Parts, num: int, num_seeds: int, num_tests: int = 1) -> float:
    """The smallest difference that is found with POWER where it is one of `num_tests`: at LEVEL / num_tests, which is
    what Holm asks of the first. Percentage points; infinite with one instruction, which tells nothing.
    """
    if num < 2:
        return math.inf
    level, low, high = LEVEL / num_tests, 0.0, 1.0
    while power(high, parts, num, num_seeds, level) < POWER:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, parts, num, num_seeds, level) >= POWER else (middle, high)
    return high


def _seen(parts: Parts, num: int, num_seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom [NODES] that the test may work with; see uncertainty.over_seeds."""
    rows = parts.rows + parts.both
    if num_seeds == 1:
        return np.array([math.sqrt(rows)]), np.array([num - 1.0])
    shares_Q = (np.arange(NODES) + 0.5) / NODES
    chi2_Q = 2 * gammaincinv((num_seeds - 1) / 2, shares_Q)
    seeds_Q = (parts.seeds + parts.both) * chi2_Q / (num_seeds - 1)
    variance_Q = np.maximum(np.maximum(seeds_Q + rows - parts.both, seeds_Q), rows)
    freedom_Q = variance_Q**2 / (seeds_Q**2 / (num_seeds - 1) + rows**2 / (num - 1))
    return np.sqrt(variance_Q), np.minimum(freedom_Q, num - 1.0)


def instructions_needed(
    difference_T: np.ndarray, parts_TP: np.ndarray, num_T: np.ndarray, num_seeds_T: np.ndarray, level: float
) -> np.ndarray:
    """For each of T tests, how many instructions would find a difference of this size with POWER at a two-sided level,
    with the seeds as they are; NaN where only more seeds would, or MOST are too few, or nothing varies.

    `parts_TP`: the variances over seeds, over rows and of both, as an `uncertainty.Estimate` has them: the first two
    hold the third. What seeds alone make stays, the rest falls as 1 / instructions.
    """
    seeds_T, rows_T, both_T = parts_TP.T
    stays_T = np.maximum(0.0, seeds_T - both_T)
    falls_T = np.maximum(seeds_T + rows_T - both_T, rows_T) - stays_T
    wanted_T = num_T.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(STEPS):  # the degrees of freedom hang on the number
            of_seeds_T, of_rows_T = stays_T + both_T * num_T / wanted_T, rows_T * num_T / wanted_T
            below_T = of_seeds_T**2 / np.maximum(num_seeds_T - 1, 1) + of_rows_T**2 / (wanted_T - 1)
            freedom_T = np.minimum((stays_T + falls_T * num_T / wanted_T) ** 2 / below_T, wanted_T - 1)
            reach_T = stdtrit(freedom_T, 1 - level / 2) + stdtrit(freedom_T, POWER)
            left_T = (difference_T / reach_T) ** 2 - stays_T
            wanted_T = np.where(left_T > 0, np.maximum(2.0, falls_T * num_T / left_T), np.nan)
    return np.ceil(np.where((wanted_T <= MOST) & (falls_T > 0), wanted_T, np.nan))


def noise_of(arms: Sequence[tuple[np.ndarray, np.ndarray]], source: str) -> Noise | None:
    """What moved the wins of arms that were judged on the same instructions: of each its win rates [S] and the
    influence [S, N] of each row. None of fewer than two arms that vary, or where nobody has two seeds.
    """
    arms = [(values_S, psi_SN) for values_S, psi_SN in arms if psi_SN.any()]
    many = [(values_S, psi_SN) for values_S, psi_SN in arms if len(psi_SN) > 1]
    if len(arms) < 2 or not many:
        return None
    row = math.sqrt(np.mean([np.square(psi_SN).mean() for _, psi_SN in arms]))
    seeds = float(np.median([_alike(psi_SN, psi_SN) for _, psi_SN in many]))
    arms_r = float(np.median([_alike(a, b) for i, (_, a) in enumerate(arms) for _, b in arms[i + 1 :]]))
    num = arms[0][1].shape[1]
    spread = np.mean([values_S.var(ddof=1) for values_S, _ in many]) - row**2 * (1 - seeds) / num
    return Noise(row, max(0.0, seeds), min(max(0.0, arms_r), max(0.0, seeds)), math.sqrt(max(0.0, spread)), source)


def _alike(a_SN: np.ndarray, b_SN: np.ndarray) -> float:
    """The mean correlation of rows of `a_SN` with other rows of `b_SN`."""
    found = np.corrcoef(a_SN, b_SN)[: len(a_SN), len(a_SN) :]
    return float(found[~np.eye(len(found), dtype=bool)].mean() if a_SN is b_SN else found.mean())
