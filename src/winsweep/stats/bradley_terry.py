"""How strong arms are by their comparisons with each other: Bradley and Terry's model (1952), a tie being half a win.

Shapes: K arms, C comparisons of two arms, S seeds, N instructions. Strengths are logits: an arm wins against another
with the chance expit(its strength - the other's). Their mean is 0, over the arms whose strength is known.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import expit

from winsweep.stats.power import LEVEL
from winsweep.stats.uncertainty import Estimate, holm, over_seeds_of_many

MAX_STEPS, TOLERANCE = 100, 1e-10
HALF = "no arm may win or lose everything: half a win to each side is added to every comparison of two arms"
AMONG = "an arm's strength has only a bound; strengths of the others hold among each other"
WINS = "won everything against the others: its strength is not known, only that it is above theirs"
LOSES = "lost everything against the others: its strength is not known, only that it is below theirs"
ALIKE = 1e-8  # logits; less apart are rounding


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

    `sides` [K]: 1 for an arm that won everything against those whose strength is known, -1 for one that lost it, and 0.
    """

    strengths: list[Estimate]
    ranks: list[tuple[int, int]]
    note: str = ""
    sides: tuple[int, ...] = ()


def is_connected(num_arms: int, pairs_C2: np.ndarray) -> bool:
    """Whether every arm can be held against every other one, by way of others."""
    return bool(_reach(num_arms, np.concatenate([pairs_C2, pairs_C2[:, ::-1]])).all())


def rank(found: Wins) -> Ranking:
    """The maximum of the likelihood, with errors over seeds and instructions (a sandwich, clustered by both, see
    `uncertainty.over_seeds_of_many`), and Holm's correction over all pairs of arms.

    The likelihood has a maximum only where no group of arms wins everything against the others (Ford, 1957); there
    half a win is added to either side of each pair, and the note says so. No variance is below that of such half wins
    (`_least`), so none is 0. The comparisons must be connected, and there must be two instructions or more. The order
    of arms and of comparisons decides nothing.
    """
    wins_C, num_C = np.nansum(found.wins_CSN, axis=(1, 2)), np.isfinite(found.wins_CSN).sum(axis=(1, 2)).astype(float)
    won_by = [
        *(tuple(pair) for pair, won in zip(found.pairs_C2.tolist(), wins_C) if won > 0),
        *(tuple(pair[::-1]) for pair, won, num in zip(found.pairs_C2.tolist(), wins_C, num_C) if won < num),
    ]
    reach_KK = _reach(found.num_arms, np.array(won_by))
    more = 0.0 if reach_KK.all() else 0.5
    strengths_K, inverse_KK = _fit(found, wins_C + more, num_C + 2 * more)
    sides = _sides(reach_KK)
    known_K = sides == 0 if (sides == 0).sum() > 1 else np.ones(len(sides), dtype=bool)
    centre_KK = np.eye(found.num_arms) - known_K / known_K.sum()
    psi_KSN, least_KK = _influence(found, strengths_K, inverse_KK), _least(found, strengths_K, inverse_KK)
    estimates = _contrasts(centre_KK, strengths_K, psi_KSN, least_KK)
    note = "" if not more else f"{HALF}; {AMONG}" if sides.any() else HALF
    return Ranking(estimates, _ranks(strengths_K, psi_KSN, least_KK), note, tuple(sides.tolist()))


def _sides(reach_KK: np.ndarray) -> np.ndarray:
    """Ranking.sides: known is the largest group of arms each of which won and lost, by way of others, against each.
    Where there is no such group, an arm that won (lost) against all and never the other way is not known.
    """
    alike_KK = reach_KK & reach_KK.T
    sizes_K = alike_KK.sum(axis=1)
    in_largest_K = sizes_K == sizes_K.max()
    if sizes_K.max() == 1 or in_largest_K.sum() != sizes_K.max():
        alone_K = sizes_K == 1
        return (alone_K & reach_KK.all(axis=1)).astype(int) - (alone_K & reach_KK.all(axis=0)).astype(int)
    one = int(in_largest_K.argmax())
    return np.where(in_largest_K, 0, reach_KK[:, one].astype(int) - reach_KK[one].astype(int))


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


def _least(found: Wins, strengths_K: np.ndarray, inverse_KK: np.ndarray) -> np.ndarray:
    """The covariance [K, K] that half a win and half a loss more in each comparison would make: what is left to doubt
    where no row differs from another.
    """
    score_KK = np.zeros((found.num_arms, found.num_arms))
    for a, b in found.pairs_C2.tolist():
        p = expit(strengths_K[a] - strengths_K[b])
        side_K = np.zeros(found.num_arms)
        side_K[a], side_K[b] = 1.0, -1.0
        score_KK += np.outer(side_K, side_K) * (p**2 + (1 - p) ** 2) / 2
    return inverse_KK @ score_KK @ inverse_KK


def _contrasts(
    weights_MK: np.ndarray, strengths_K: np.ndarray, psi_KSN: np.ndarray, least_KK: np.ndarray
) -> list[Estimate]:
    """Sums of strengths by weights, the spread of which is at least that of `least_KK`."""
    psi_MSN = np.tensordot(weights_MK, psi_KSN, axes=1)
    values_M = weights_MK @ strengths_K
    least_M = np.sqrt(np.maximum(0.0, np.einsum("mk,kl,ml->m", weights_MK, least_KK, weights_MK)))
    return over_seeds_of_many(values_M[:, None] + psi_MSN.mean(axis=2), psi_MSN, least_M)


def _ranks(strengths_K: np.ndarray, psi_KSN: np.ndarray, least_KK: np.ndarray) -> list[tuple[int, int]]:
    pairs = list(combinations(range(len(strengths_K)), 2))
    one_K = np.eye(len(strengths_K))
    apart = [_contrasts((one_K[a] - one_K[b])[None], strengths_K, psi_KSN, least_KK)[0] for a, b in pairs]
    told = [p < LEVEL for p in holm([e.p_of(0.0) for e in apart])]
    above, below = [0] * len(strengths_K), [0] * len(strengths_K)
    for (a, b), e, is_told in zip(pairs, apart, told, strict=True):
        if is_told and abs(e.value) > ALIKE:
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
