"""How strong arms are by their comparisons with each other: Bradley and Terry's model (1952), a tie being half a win.

Shapes: K arms, C comparisons of two arms, S seeds, N instructions. Strengths are logits: an arm wins against another
with the chance expit(its strength - the other's). Their mean is 0.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import expit

from winsweep.stats.power import LEVEL
from winsweep.stats.uncertainty import Estimate, holm, over_seeds_of_many

MAX_STEPS, TOLERANCE = 100, 1e-10
HALF = "no arm may win or lose everything: half a win to each side is added to every comparison of two arms"


@dataclass(frozen=True)
class Wins:
    """What was found: `pairs_C2` are places of the two arms, `wins_CSN` what the first of them won of each instruction
    with each seed, from 0 to 1; NaN where that was not compared or does not count.
    """

    num_arms: int
    pairs_C2: np.ndarray
    wins_CSN: np.ndarray


@dataclass(frozen=True)
class Ranking:
    """Strengths [K] with their intervals, and the ranks that the tests of all pairs of arms leave to each: from 1 more
    than those that are told to be above it, to those that are told to be below it.
    """

    strengths: list[Estimate]
    ranks: list[tuple[int, int]]
    note: str = ""


def is_connected(num_arms: int, pairs_C2: np.ndarray) -> bool:
    """Whether every arm can be held against every other one, by way of others."""
    return bool(_reach(num_arms, np.concatenate([pairs_C2, pairs_C2[:, ::-1]])).all())


def rank(found: Wins) -> Ranking:
    """The maximum of the likelihood, with errors over seeds and instructions (a sandwich, clustered by both, see
    `uncertainty.over_seeds_of_many`), and Holm's correction over all pairs of arms.

    The likelihood has a maximum only where no group of arms wins everything against the others (Ford, 1957); there
    half a win is added to either side of each pair, and the note says so. The comparisons must be connected, and there
    must be two instructions or more.
    """
    wins_C, num_C = np.nansum(found.wins_CSN, axis=(1, 2)), np.isfinite(found.wins_CSN).sum(axis=(1, 2)).astype(float)
    won_by = [
        *(tuple(pair) for pair, won in zip(found.pairs_C2.tolist(), wins_C) if won > 0),
        *(tuple(pair[::-1]) for pair, won, num in zip(found.pairs_C2.tolist(), wins_C, num_C) if won < num),
    ]
    is_open = not _reach(found.num_arms, np.array(won_by)).all()
    more = 0.5 if is_open else 0.0
    strengths_K, inverse_KK = _fit(found, wins_C + more, num_C + 2 * more)
    psi_KSN = _influence(found, strengths_K, inverse_KK)
    estimates = _estimates(strengths_K, psi_KSN)
    return Ranking(estimates, _ranks(strengths_K, psi_KSN), HALF if is_open else "")


def _fit(found: Wins, wins_C: np.ndarray, num_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method, a step never longer than 2 logits; the strengths, and the inverse of the information."""
    sides_CK = np.zeros((len(wins_C), found.num_arms))
    places_C = np.arange(len(wins_C))
    sides_CK[places_C, found.pairs_C2[:, 0]], sides_CK[places_C, found.pairs_C2[:, 1]] = 1.0, -1.0
    strengths_K = np.zeros(found.num_arms)
    for _ in range(MAX_STEPS):
        p_C = expit(sides_CK @ strengths_K)
        inverse_KK = np.linalg.pinv((sides_CK.T * (num_C * p_C * (1 - p_C))) @ sides_CK, hermitian=True)
        step_K = inverse_KK @ (sides_CK.T @ (wins_C - num_C * p_C))
        strengths_K = strengths_K + step_K * min(1.0, 2.0 / max(np.abs(step_K).max(), 1e-300))
        if np.abs(step_K).max() < TOLERANCE:
            break
    return strengths_K - strengths_K.mean(), inverse_KK


def _influence(found: Wins, strengths_K: np.ndarray, inverse_KK: np.ndarray) -> np.ndarray:
    """What each instruction of each seed does to each strength [K, S, N], the mean of which is 0."""
    num_seeds, num = found.wins_CSN.shape[1:]
    score_KSN = np.zeros((found.num_arms, num_seeds, num))
    for (a, b), wins_SN in zip(found.pairs_C2.tolist(), found.wins_CSN):
        off_SN = np.nan_to_num(wins_SN - expit(strengths_K[a] - strengths_K[b]))
        score_KSN[a] += off_SN
        score_KSN[b] -= off_SN
    psi_KSN = num_seeds * num * np.tensordot(inverse_KK, score_KSN, axes=1)
    return psi_KSN - psi_KSN.mean(axis=(1, 2), keepdims=True)


def _estimates(values_M: np.ndarray, psi_MSN: np.ndarray) -> list[Estimate]:
    return over_seeds_of_many(values_M[:, None] + psi_MSN.mean(axis=2), psi_MSN, np.zeros(len(values_M)))


def _ranks(strengths_K: np.ndarray, psi_KSN: np.ndarray) -> list[tuple[int, int]]:
    pairs = list(combinations(range(len(strengths_K)), 2))
    apart = [
        _estimates(np.array([strengths_K[a] - strengths_K[b]]), (psi_KSN[a] - psi_KSN[b])[None])[0] for a, b in pairs
    ]
    told = [p < LEVEL for p in holm([e.p_of(0.0) for e in apart])]
    above, below = [0] * len(strengths_K), [0] * len(strengths_K)
    for (a, b), e, is_told in zip(pairs, apart, told, strict=True):
        if is_told:
            best, worst = (a, b) if e.value > 0 else (b, a)
            above[worst] += 1
            below[best] += 1
    return [(1 + up, len(strengths_K) - down) for up, down in zip(above, below, strict=True)]


def _reach(num_arms: int, edges_E2: np.ndarray) -> np.ndarray:
    """Which arm [K, K] leads to which along edges, any number of them."""
    reach_KK = np.eye(num_arms, dtype=bool)
    if len(edges_E2):
        reach_KK[edges_E2[:, 0], edges_E2[:, 1]] = True
    for _ in range(max(1, num_arms.bit_length())):
        reach_KK = reach_KK @ reach_KK
    return reach_KK
