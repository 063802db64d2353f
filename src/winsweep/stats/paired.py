"""The head-to-head win rate at equal length: a logistic model of this comparison alone, so that swapping the two sides
gives 100 less it.

AlpacaEval's formula leans a comparison with one's own baseline towards two variants of GPT-4-turbo, and is not
antisymmetric. Here nothing but the comparison's own rows counts, for any set of instructions. Shapes: N judged rows, F
features.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from winsweep.stats import glm
from winsweep.stats.annotations import Judged
from winsweep.stats.uncertainty import Z95, interval_pct

OWN_REFERENCE = "gpt4_1106_preview"  # the reference for which AlpacaEval's difficulty of instructions was measured
MIN_OUTCOMES = 5  # wins, and losses, that a fit needs
UNPENALISED = 1e12  # inverse penalty: moves the win rate by less than 1e-10 points, and is itself symmetric
MAX_ERROR = 5.0  # of the merit, in logits; beyond it the rows do not tell merit from length


@dataclass(frozen=True)
class Paired:
    """A head-to-head win rate of the candidate in percent, with its 95 % interval over instructions.

    `formula` is "paired", or "raw" where it is the plain win rate, for the reason in `note`. `psi_N` is each row's
    influence in percent: its sample deviation / sqrt(N) is the standard error, and differences of two comparisons are
    told from differences of it.
    """

    win_rate_pct: float
    standard_error_pct: float
    low_pct: float
    high_pct: float
    formula: Literal["paired", "raw"]
    psi_N: np.ndarray
    note: str = ""


def paired(judged: Judged, difficulty_N: np.ndarray | None = None) -> Paired:
    """The win rate at equal length by the logistic model wins ~ merit + length (+ difficulty of the instruction),
    unpenalised.

    Length is tanh of the length difference in its sample deviations, as AlpacaEval has it. `difficulty_N`
    (AlpacaEval's, by place) is used where it means something: against AlpacaEval's own reference, on its instructions.
    Swapping the sides gives 100 less the figure, and the order of rows is that of the instructions. Raw instead of a
    fit: fewer than MIN_OUTCOMES wins' or losses' worth, lengths that do not vary, or lengths that separate wins from
    losses.
    """
    is_judged_N = np.isfinite(judged.wins_N)
    wins_N, longer_N = judged.wins_N[is_judged_N], judged.longer_N[is_judged_N]
    num = len(wins_N)
    if (wins_N == 0.5).all():
        return raw(wins_N, "all ties")
    # exact sums, so that a table and its mirror are treated alike
    if min(math.fsum(wins_N), math.fsum(1 - wins_N)) < MIN_OUTCOMES:
        return raw(wins_N, f"fewer than {MIN_OUTCOMES} wins or losses")
    if np.ptp(longer_N) == 0:
        return raw(wins_N, "all pairs differ equally in length")
    columns = [np.ones(num), np.tanh(longer_N / longer_N.std(ddof=1))]
    return _fitted(np.stack([*columns, *difficulty_of(judged, is_judged_N, difficulty_N)]), wins_N)


def difficulty_of(judged: Judged, is_judged_N: np.ndarray, difficulty_N: np.ndarray | None) -> list[np.ndarray]:
    """The difficulty of the judged rows' instructions as one feature, where it means something; otherwise none."""
    indices_N = judged.indices_N[is_judged_N]
    is_own = OWN_REFERENCE in (judged.reference, judged.candidate)
    return [difficulty_N[indices_N]] if difficulty_N is not None and is_own and (indices_N >= 0).all() else []


def _fitted(x_FN: np.ndarray, wins_N: np.ndarray) -> Paired:
    num = len(wins_N)
    weights_F = glm.fit(glm.Rows(x_FN[None], wins_N[None], np.ones((1, num))), np.array([UNPENALISED]))[0]
    even_FN = x_FN * np.array([1, 0, 1])[: len(x_FN), None]  # at equal length
    p_own_N, p_N = expit(weights_F @ x_FN), expit(weights_F @ even_FN)
    hessian_FF = (x_FN * p_own_N * (1 - p_own_N)) @ x_FN.T
    inverse_FF = np.linalg.pinv(hessian_FF)
    score_NF = (x_FN * (wins_N - p_own_N)).T
    if not np.isfinite(inverse_FF).all() or inverse_FF[0, 0] > MAX_ERROR**2 or np.linalg.cond(hessian_FF) > 1e10:
        return raw(wins_N, "lengths separate wins from losses")
    slope_F = (even_FN * p_N * (1 - p_N)).mean(axis=1)
    psi_N = 100 * (p_N - p_N.mean() + num * score_NF @ inverse_FF @ slope_F)
    error = float(psi_N.std(ddof=1)) / math.sqrt(num)
    value = 100 * float(p_N.mean())
    return Paired(value, error, *interval_pct(value, error, num - len(x_FN)), "paired", psi_N)


def raw(wins_N: np.ndarray, note: str) -> Paired:
    """The plain win rate; where every row is won, or every row lost, the interval is Wilson's (1927), as no spread is
    seen.
    """
    num, value = len(wins_N), 100 * float(wins_N.mean())
    psi_N = 100 * wins_N - value
    if value in (0.0, 100.0) or num == 1:
        reach = 100 * Z95**2 / (num + Z95**2)
        low, high = (0.0, reach) if value == 0 else (100 - reach, 100.0) if value == 100 else (0.0, 100.0)
        return Paired(value, (high - low) / (2 * Z95), low, high, "raw", psi_N, note)
    error = float(psi_N.std(ddof=1)) / math.sqrt(num)
    return Paired(value, error, *interval_pct(value, error, num - 1), "raw", psi_N, note)
