"""Errors by resampling, beside those of the influence functions: what win rates at equal length and their differences
would be with other instructions and other seeds, refitted each time.

Shapes: B draws, S seeds of an arm, N instructions, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from winsweep.stats.annotations import Judged
from winsweep.stats.comparison import Scored
from winsweep.stats.paired import OWN_REFERENCE

AT_ONCE, MAX_STEPS, TOLERANCE, RIDGE = 200, 40, 1e-9, 1e-9
SEED = 0  # of all draws: the same study has the same ones
PARITY, HALF = "parity", np.array([50.0])
Columns = dict[str, float]


@dataclass(frozen=True)
class Arm:
    """An arm's win rates [B, S] of its seeds, in percent, over draws of instructions that other arms share."""

    model: str
    name: str
    seeds: tuple[object, ...]
    instructions: tuple[str, ...]
    rates_BS: np.ndarray

    def mean_B(self) -> np.ndarray:
        """Means over draws of as many seeds; the same draws for all arms with as many."""
        return np.take_along_axis(self.rates_BS, _seed_draws(*self.rates_BS.shape), axis=1).mean(axis=1)


def arm_of(
    model: str, name: str, seeds: Sequence[object], cells: Sequence[Scored], num: int, difficulty_N: np.ndarray | None
) -> Arm:
    """The arm that these cells are the seeds of, drawn `num` times."""
    rates = [rates_of(cell, row_draws(num, len(cell.paired.psi_N)), difficulty_N) for cell in cells]
    return Arm(model, name, tuple(seeds), cells[0].judged.instructions, np.stack(rates, axis=1))


def row_draws(num: int, num_rows: int) -> np.ndarray:
    """How often each of the rows is drawn [B, N], with replacement."""
    rng = np.random.default_rng([SEED, num_rows])
    return rng.multinomial(num_rows, np.full(num_rows, 1 / num_rows), size=num).astype(float)


def rates_of(cell: Scored, weights_BN: np.ndarray, difficulty_N: np.ndarray | None) -> np.ndarray:
    """The win rate at equal length [B] of each draw in percent, by the formula of the cell's own, fitted again."""
    is_judged_N = np.isfinite(cell.judged.wins_N)
    wins_N = cell.judged.wins_N[is_judged_N]
    if cell.paired.formula == "raw":
        return 100 * weights_BN @ wins_N / weights_BN.sum(axis=1)
    x_FN = features(cell.judged, difficulty_N)
    parts = (weights_BN[i : i + AT_ONCE] for i in range(0, len(weights_BN), AT_ONCE))
    return np.concatenate([_refitted(x_FN, wins_N, part_BN) for part_BN in parts])


def features(judged: Judged, difficulty_N: np.ndarray | None) -> np.ndarray:
    """Those [F, N] of `paired.paired`, whose lengths are measured by the deviation of all rows."""
    is_judged_N = np.isfinite(judged.wins_N)
    longer_N, indices_N = judged.longer_N[is_judged_N], judged.indices_N[is_judged_N]
    columns = [np.ones(len(longer_N)), np.tanh(longer_N / longer_N.std(ddof=1))]
    if difficulty_N is not None and OWN_REFERENCE in (judged.reference, judged.candidate) and (indices_N >= 0).all():
        columns.append(difficulty_N[indices_N])
    return np.stack(columns)


def _refitted(x_FN: np.ndarray, wins_N: np.ndarray, weights_BN: np.ndarray) -> np.ndarray:
    """Newton's method on the weighted logistic model of every draw at once."""
    num = len(x_FN)
    b_BF = np.zeros((len(weights_BN), num))
    products_NFF = np.einsum("fn,gn->nfg", x_FN, x_FN).reshape(len(wins_N), -1)
    for _ in range(MAX_STEPS):
        p_BN = expit(b_BF @ x_FN)
        score_BF = (weights_BN * (wins_N - p_BN)) @ x_FN.T
        bent_BFF = ((weights_BN * p_BN * (1 - p_BN)) @ products_NFF).reshape(-1, num, num) + RIDGE * np.eye(num)
        step_BF = np.linalg.solve(bent_BFF, score_BF[:, :, None])[:, :, 0]
        b_BF += step_BF * np.minimum(1.0, 4.0 / np.maximum(np.abs(step_BF).max(axis=1), 1e-300))[:, None]
        if np.abs(step_BF).max() < TOLERANCE:
            break
    even_FN = x_FN * np.array([1, 0, 1])[:num, None]  # at equal length
    return 100 * (weights_BN * expit(b_BF @ even_FN)).sum(axis=1) / weights_BN.sum(axis=1)


def _seed_draws(num: int, num_seeds: int) -> np.ndarray:
    return np.random.default_rng([SEED, num_seeds, 1]).integers(0, num_seeds, (num, num_seeds))


def columns_of(found_B: np.ndarray) -> Columns:
    """The error, and the ends of the 95 % interval, of drawn figures."""
    low, high = np.quantile(found_B, [0.025, 0.975])
    names = ("bootstrap_error_pct", "bootstrap_low_pct", "bootstrap_high_pct")
    return dict(zip(names, (float(found_B.std(ddof=1)), float(low), float(high)), strict=True))


def beside(lines: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """The rows of differences.csv with the columns of each."""
    drawn = {(arm.model, arm.name): arm.mean_B() for arm in arms} | {(arm.model, PARITY): HALF for arm in arms}
    return [
        {**line, **columns_of(drawn[line["model"], line["arm"]] - drawn[line["model"], line["against"]])}
        for line in lines
    ]
