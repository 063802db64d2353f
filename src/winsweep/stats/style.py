"""The head-to-head win rate at equal style: the paired model with headers, lists, bold and code beside length, so that
swapping the two sides gives 100 less it, and what the judge makes of each.

The covariates are Arena-Hard's (show_result.py of lmarena/arena-hard-auto): elements per token, and of the two
densities a and b the difference (a - b) / (a + b + 1). Arena-Hard subtracts each covariate's mean, which leaves the
mean difference in style with the model; here 0 is equal style. Shapes: N judged rows, F features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, stdtrit

from winsweep.stats.annotations import Judged
from winsweep.stats.markdown import CHARS_PER_TOKEN, ELEMENTS, densities
from winsweep.stats.paired import MAX_ERROR, MIN_OUTCOMES, Paired, difficulty_of
from winsweep.stats.uncertainty import interval_pct

COVARIATES = ("length", *ELEMENTS)
UNITS = {"length": "characters"} | dict.fromkeys(ELEMENTS, "per 1,000 characters")
PRIOR = 2.5  # deviation of the normal prior on a covariate's weight, in logits per its deviation (rstanarm's default)
RIDGE = 1 / PRIOR**2
FEW = f"fewer than {MIN_OUTCOMES} rows favour one side; style_win_rate_pct is the paired one"
UNTOLD = "style cannot be told from merit; style_win_rate_pct is the paired one"


@dataclass(frozen=True)
class Taste:
    """What a judge makes of one covariate: log odds of the candidate's win for one sample deviation more of it.

    `deviation` is that of the difference of the two sides, in the covariate's unit. Without a fit `log_odds` is None
    and `why` says so. `psi_N` is each row's influence: its sample deviation / sqrt(N) is the standard error.
    """

    name: str
    deviation: float
    mean: float  # of the candidate's answers, in the covariate's unit
    mean_reference: float
    log_odds: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    psi_N: np.ndarray | None = None
    why: str = ""


@dataclass(frozen=True)
class Styled:
    """The win rate at equal style, and one taste for each of COVARIATES. `formula` is "paired" where the figure is at
    equal length alone, and "raw" where it is the plain win rate.
    """

    figure: Paired
    formula: Literal["style", "paired", "raw"]
    tastes: tuple[Taste, ...]


def styled(
    judged: Judged, sides: tuple[Sequence[str], Sequence[str]], head_to_head: Paired, difficulty_N: np.ndarray | None
) -> Styled:
    """The win rate at equal length and Markdown; `sides` are the candidate's and the reference's answers in the order
    of the rows, `head_to_head` is the paired model's figure.

    Every covariate has a normal prior of deviation PRIOR in units of its own deviation, the merit none: a covariate
    that few answers have, or that separates wins from losses, keeps a finite weight. One that does not vary is left
    out. Where no Markdown varies, where the paired model allows no fit, where fewer than MIN_OUTCOMES rows favour a
    side, and where style cannot be told from merit, the
    figure is the paired one.
    """
    is_judged_N = np.isfinite(judged.wins_N)
    per_token = [densities([text for text, is_in in zip(side, is_judged_N) if is_in]) for side in sides]
    x_FN = np.vstack([_length(judged, is_judged_N), _difference(*per_token)])
    tastes = _described(judged, is_judged_N, per_token, x_FN)
    varies_F = np.array([not taste.why for taste in tastes])
    if head_to_head.formula == "raw" or not varies_F[1:].any():
        why = head_to_head.note or "no Markdown to control for"
        return Styled(head_to_head, head_to_head.formula, tuple(t if t.why else replace(t, why=why) for t in tastes))
    favoured = int((judged.wins_N[is_judged_N] > 0.5).sum()), int((judged.wins_N[is_judged_N] < 0.5).sum())
    if min(favoured) < MIN_OUTCOMES:  # ties are half a win each, and tell of no taste
        return _unfitted(head_to_head, tastes, FEW)
    used_FN = x_FN[varies_F] / x_FN[varies_F].std(axis=1, ddof=1, keepdims=True)
    others = [np.ones(len(used_FN.T)), *difficulty_of(judged, is_judged_N, difficulty_N)]
    return _fitted(np.vstack([*others, used_FN]), len(others), judged.wins_N[is_judged_N], head_to_head, tastes)


def _length(judged: Judged, is_judged_N: np.ndarray) -> np.ndarray:
    """The paired model's own covariate, positive where the candidate's answer is the longer."""
    longer_N = judged.longer_N[is_judged_N]
    deviation = longer_N.std(ddof=1) if len(longer_N) > 1 else 0.0
    return np.tanh(-longer_N / deviation) if deviation else np.zeros(len(longer_N))


def _difference(ours_FN: np.ndarray, theirs_FN: np.ndarray) -> np.ndarray:
    return (ours_FN - theirs_FN) / (ours_FN + theirs_FN + 1)


def _described(
    judged: Judged, is_judged_N: np.ndarray, per_token: Sequence[np.ndarray], x_FN: np.ndarray
) -> list[Taste]:
    """Each covariate before any fit, with why it is left out."""
    chars = [chars_N[is_judged_N].astype(float) for chars_N in (judged.chars_2_N, judged.chars_1_N)]
    ours, theirs = (
        np.vstack([chars_N, per_FN * 1000 / CHARS_PER_TOKEN]) for chars_N, per_FN in zip(chars, per_token, strict=True)
    )
    return [
        Taste(
            name,
            float((ours[f] - theirs[f]).std(ddof=1)) if len(x_FN.T) > 1 else 0.0,
            float(ours[f].mean()),
            float(theirs[f].mean()),
            why=_why_left_out(ours[f], theirs[f], x_FN[f]),
        )
        for f, name in enumerate(COVARIATES)
    ]


def _why_left_out(ours_N: np.ndarray, theirs_N: np.ndarray, x_N: np.ndarray) -> str:
    if np.ptp(x_N) > 0:
        return ""
    return "no answer has any" if not (ours_N.any() or theirs_N.any()) else "all pairs differ equally in it"


def _fitted(x_FN: np.ndarray, num_others: int, wins_N: np.ndarray, fallback: Paired, tastes: list[Taste]) -> Styled:
    num, num_features = len(wins_N), len(x_FN)
    is_style_F = np.arange(num_features) >= num_others
    weights_F, hessian_FF = _minimum(x_FN, wins_N, RIDGE * is_style_F)
    inverse_FF = np.linalg.pinv(hessian_FF)
    if inverse_FF[0, 0] > MAX_ERROR**2 or np.linalg.cond(hessian_FF) > 1e10:
        return _unfitted(fallback, tastes, UNTOLD)
    score_NF = (x_FN * (wins_N - expit(weights_F @ x_FN))).T
    # the penalty's slope is no row's; a deviation of n - F degrees of freedom, as n rows fit F weights
    own_NF = num * (score_NF - score_NF.mean(axis=0)) @ inverse_FF * math.sqrt(num / (num - num_features))
    even_FN = x_FN * ~is_style_F[:, None]
    p_N = expit(weights_F @ even_FN)
    psi_N = 100 * (p_N - p_N.mean() + own_NF @ (even_FN * p_N * (1 - p_N)).mean(axis=1))
    value, error = 100 * float(p_N.mean()), float(psi_N.std(ddof=1)) / math.sqrt(num)
    ends = interval_pct(value, error, num - num_features)
    places = iter(range(num_others, num_features))
    told = (t if t.why else _told(t, weights_F[f := next(places)], own_NF[:, f], num - num_features) for t in tastes)
    return Styled(Paired(value, error, *ends, "paired", psi_N), "style", tuple(told))


def _unfitted(fallback: Paired, tastes: Sequence[Taste], why: str) -> Styled:
    untold = tuple(t if t.why else replace(t, why=why) for t in tastes)
    return Styled(replace(fallback, note=why), fallback.formula, untold)


def _told(taste: Taste, weight: float, psi_N: np.ndarray, freedom: int) -> Taste:
    error = float(psi_N.std(ddof=1)) / math.sqrt(len(psi_N))
    half = float(stdtrit(freedom, 0.975)) * error
    value = float(weight)
    return replace(taste, log_odds=value, standard_error=error, low=value - half, high=value + half, psi_N=psi_N)


def _minimum(x_FN: np.ndarray, wins_N: np.ndarray, ridge_F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The minimising weights [F] of Σ logloss + Σ ridge · weight² / 2, and its Hessian [F, F] there."""

    def loss(weights_F: np.ndarray) -> float:
        eta_N = weights_F @ x_FN
        return float((np.logaddexp(0, eta_N) - wins_N * eta_N).sum() + (ridge_F * weights_F**2).sum() / 2)

    def slope(weights_F: np.ndarray) -> np.ndarray:
        return x_FN @ (expit(weights_F @ x_FN) - wins_N) + ridge_F * weights_F

    def curve(weights_F: np.ndarray) -> np.ndarray:
        p_N = expit(weights_F @ x_FN)
        return (x_FN * p_N * (1 - p_N)) @ x_FN.T + np.diag(ridge_F)

    found = minimize(loss, np.zeros(len(x_FN)), jac=slope, hess=curve, method="trust-exact", options={"gtol": 1e-4})
    weights_F = found.x
    for _ in range(3):  # whole steps of Newton's method: from here to the last bits
        weights_F = weights_F - np.linalg.pinv(curve(weights_F)) @ slope(weights_F)
    return weights_F, curve(weights_F)
