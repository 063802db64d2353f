"""The fast fit of AlpacaEval's model: many weighted logistic regressions with an L1 penalty at once, by Newton's method
on active sets.

Shapes: M problems of the same size, N rows, F features, P = F(F+1)/2 pairs of features, K folds, C strengths tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

NUM_FOLDS = 5
STRENGTHS_C = np.logspace(-4, 4, 10)  # inverse penalties that scikit-learn's cross-validation tries
# of a weight's last step, relative to 1 + its size; the win rate is then within 1e-7 points of the minimum
TOLERANCE = 1e-9
PATH_TOLERANCE = 1e-5  # while strengths are compared: their scores then err by about its square
MAX_STEPS = 60
MAX_HALVED = 500
CHUNK = 40  # problems solved together, so that their rows stay in the processor's cache


@dataclass(frozen=True)
class Rows:
    """Rows of M problems: minimise |b|_1 + c · Σ weight · logloss(win, x·b) over b."""

    x_MFN: np.ndarray
    wins_MN: np.ndarray  # fractions
    weights_MN: np.ndarray

    def of(self, problems: slice | np.ndarray, rows: np.ndarray | slice = slice(None)) -> "Rows":
        return Rows(
            np.ascontiguousarray(self.x_MFN[problems][:, :, rows]),
            self.wins_MN[problems][:, rows],
            self.weights_MN[problems][:, rows],
        )


def folds(num_rows: int) -> np.ndarray:
    """The fold of each row, as scikit-learn's GroupKFold deals out groups of equal size: the last row first, in
    turns.
    """
    return (num_rows - 1 - np.arange(num_rows)) % NUM_FOLDS


def fit(rows: Rows, strengths_M: np.ndarray) -> np.ndarray:
    """The minimising weights [M, F] at the given inverse penalties, exact to TOLERANCE."""
    return np.concatenate(
        [_solve(rows.of(part), strengths_M[part], None, TOLERANCE) for part in _parts(len(rows.x_MFN))]
    )


def choose_strengths(rows: Rows) -> np.ndarray:
    """The inverse penalty [M] of the least mean logloss over the folds, as LogisticRegressionCV picks it (of equals the
    smallest).
    """
    return np.concatenate([STRENGTHS_C[_scores(rows.of(part)).argmax(axis=1)] for part in _parts(len(rows.x_MFN))])


def _parts(num: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, num, CHUNK))


def _scores(rows: Rows) -> np.ndarray:
    """Mean weighted log-likelihood of the rows left out [M, C]; each fold goes from the weakest penalty to the
    strongest.
    """
    num, fold_N = len(rows.x_MFN), folds(rows.x_MFN.shape[2])
    begin_MF = _solve(rows, np.full(num, STRENGTHS_C[-1]), None, PATH_TOLERANCE)
    scores_MC = np.zeros((num, len(STRENGTHS_C)))
    for k in range(NUM_FOLDS):
        kept, left = (rows.of(slice(None), np.flatnonzero(mask_N)) for mask_N in (fold_N != k, fold_N == k))
        newton, weights_MF = _Newton(kept), begin_MF
        for c in reversed(range(len(STRENGTHS_C))):
            weights_MF = newton.solve(np.full(num, STRENGTHS_C[c]), weights_MF, PATH_TOLERANCE)
            scores_MC[:, c] -= (left.weights_MN * _losses(left, weights_MF)).mean(axis=1) / NUM_FOLDS
    return scores_MC


def _losses(rows: Rows, weights_MF: np.ndarray) -> np.ndarray:
    eta_MN = (weights_MF[:, None] @ rows.x_MFN)[:, 0]
    return np.logaddexp(0, eta_MN) - rows.wins_MN * eta_MN


def _solve(rows: Rows, strengths_M: np.ndarray, begin_MF: np.ndarray | None, tolerance: float) -> np.ndarray:
    return _Newton(rows).solve(strengths_M, np.zeros(rows.x_MFN.shape[:2]) if begin_MF is None else begin_MF, tolerance)


class _Newton:
    """Rows with their products prepared, so that a step is three products of matrices."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.pairs = np.triu_indices(rows.x_MFN.shape[1])
        self.weighted_MFN = rows.x_MFN * rows.weights_MN[:, None]
        self.products_MPN = self.weighted_MFN[:, self.pairs[0]] * rows.x_MFN[:, self.pairs[1]]
        self.wins_MF = (self.weighted_MFN @ rows.wins_MN[..., None])[..., 0]

    def solve(self, strengths_M: np.ndarray, begin_MF: np.ndarray, tolerance: float) -> np.ndarray:
        weights_MF, open_M = begin_MF.copy(), np.arange(len(begin_MF))
        for _ in range(MAX_STEPS):
            before_MF = weights_MF[open_M]
            weights_MF[open_M] = after_MF = _move(before_MF, *self.slopes(before_MF, open_M), strengths_M[open_M, None])
            open_M = open_M[~_is_still(after_MF, before_MF, tolerance)]
            if not len(open_M):
                return weights_MF
        for m in open_M:
            weights_MF[m] = _descend(self.rows.of(slice(m, m + 1)), strengths_M[m], tolerance)
        return weights_MF

    def slopes(self, weights_MF: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient [M, F] and Hessian [M, F, F] of the weighted logloss of the problems `of` at `weights_MF`."""
        x_MFN, products_MPN, weighted_MFN = self.rows.x_MFN, self.products_MPN, self.weighted_MFN
        if len(of) < len(x_MFN):
            x_MFN, products_MPN, weighted_MFN = x_MFN[of], products_MPN[of], weighted_MFN[of]
        p_MN = expit((weights_MF[:, None] @ x_MFN)[:, 0])
        slope_MF = (weighted_MFN @ p_MN[..., None])[..., 0] - self.wins_MF[of]
        return slope_MF, self._square((products_MPN @ (p_MN * (1 - p_MN))[..., None])[..., 0])

    def _square(self, pairs_MP: np.ndarray) -> np.ndarray:
        num = self.rows.x_MFN.shape[1]
        square_MFF = np.empty((len(pairs_MP), num, num))
        square_MFF[:, self.pairs[0], self.pairs[1]] = square_MFF[:, self.pairs[1], self.pairs[0]] = pairs_MP
        return square_MFF


def _is_still(after_MF: np.ndarray, before_MF: np.ndarray, tolerance: float) -> np.ndarray:
    return (np.abs(after_MF - before_MF) <= tolerance * (1 + np.abs(after_MF))).all(axis=1)


def _move(
    weights_MF: np.ndarray, slope_MF: np.ndarray, hessian_MFF: np.ndarray, strengths_M1: np.ndarray
) -> np.ndarray:
    """Weights after a Newton step within the orthant: one that would change its sign stops at 0, and stays there while
    the penalty outweighs its slope.
    """
    at_zero_MF = weights_MF == 0
    sign_MF = np.where(at_zero_MF, -np.sign(slope_MF) * (np.abs(slope_MF) * strengths_M1 > 1), np.sign(weights_MF))
    held_MF = at_zero_MF & (sign_MF == 0)
    residual_MF = np.where(held_MF, 0, slope_MF + sign_MF / strengths_M1)
    held_MFF = held_MF[:, :, None] | held_MF[:, None, :]
    ridge_MFF = (
        np.eye(weights_MF.shape[1])
        * np.where(held_MF, 1.0, 1e-14 * np.trace(hessian_MFF, axis1=1, axis2=2)[:, None] + 1e-300)[:, None]
    )
    after_MF = (
        weights_MF - np.linalg.solve(np.where(held_MFF, 0, hessian_MFF) + ridge_MFF, residual_MF[..., None])[..., 0]
    )
    return np.where(np.sign(after_MF) == -sign_MF, 0.0, after_MF)


def _descend(rows: Rows, strength: float, tolerance: float) -> np.ndarray:
    """The same minimum [F] of one problem on which whole steps went astray: each is halved while it overshoots.

    Where Newton's step within the orthant is no descent, it goes towards the minimum of the logloss's parabola with the
    penalty, which is one (Lee, Sun & Saunders 2014).
    """
    newton = _Newton(rows)
    weights_MF = np.zeros(rows.x_MFN.shape[:2])

    def halved(step_MF: np.ndarray, most: int) -> np.ndarray | None:
        begun = _total(rows, weights_MF, strength)
        return next(
            (0.5**n * step_MF for n in range(most) if _total(rows, weights_MF + 0.5**n * step_MF, strength) < begun),
            None,
        )

    for _ in range(MAX_HALVED):
        slope_MF, hessian_MFF = newton.slopes(weights_MF, np.arange(1))
        step_MF = halved(_move(weights_MF, slope_MF, hessian_MFF, np.array([[strength]])) - weights_MF, 8)
        if step_MF is None:
            step_MF = halved(
                nearest(hessian_MFF[0], weights_MF[0], slope_MF[0], np.zeros_like(weights_MF), strength) - weights_MF,
                40,
            )
        if step_MF is None:
            break
        weights_MF = weights_MF + step_MF
        if _is_still(weights_MF, weights_MF - step_MF, tolerance).all():
            break
    return weights_MF[0]


def _total(rows: Rows, weights_MF: np.ndarray, strength: float) -> float:
    return float(np.abs(weights_MF).sum() / strength + (rows.weights_MN * _losses(rows, weights_MF)).sum())


def nearest(
    hessian_FF: np.ndarray, weights_F: np.ndarray, slope_F: np.ndarray, pushes_DF: np.ndarray, strength: float
) -> np.ndarray:
    """For each of D pushes the minimum [D, F] of the logloss's parabola at `weights_F`, its slope less the push, plus
    the L1 penalty.

    Pushes and slope are in units of Σ weight · logloss. Coordinates are solved in turns, which for a few features ends
    soon.
    """
    found_DF = np.tile(weights_F, (len(pushes_DF), 1))
    for _ in range(200):
        before_DF = found_DF.copy()
        for f in range(len(weights_F)):
            curve = hessian_FF[f, f] + 1e-300
            slope_D = slope_F[f] - pushes_DF[:, f] + (found_DF - weights_F) @ hessian_FF[f]
            target_D = found_DF[:, f] - slope_D / curve
            found_DF[:, f] = np.sign(target_D) * np.maximum(np.abs(target_D) - 1 / (strength * curve), 0)
        if np.abs(found_DF - before_DF).max() < TOLERANCE:
            break
    return found_DF
