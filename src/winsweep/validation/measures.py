"""How a judge's verdicts stand to people's votes, and people's to each other: agreement, kappa, order, errors.

Shapes: N pairs, G instructions, 2 views (the first answer shown first, the second one shown first). Wins are shares of
the second answer, 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from winsweep.analysis.intervals import Share, share_of
from winsweep.stats.calibration import Calibration
from winsweep.validation.asking import Views
from winsweep.validation.pair import Pair, majority

DRAWS, SEED = 1000, 16  # of the bootstrap
SAME = 0.98  # share of questions with the same verdict from which on a judge does not listen


@dataclass(frozen=True)
class Kappa:
    """Cohen's (1960) kappa with its 95 % interval; 0 is agreement by chance, 1 the most."""

    value: float
    low: float
    high: float


def wins_of(views: Views, both: bool) -> np.ndarray:
    """What the judge says as a study asks it, (N, K): the mean of both views, or each of them as a case of its own."""
    wins_NV = np.array(views.wins, float)
    return wins_NV.mean(axis=1, keepdims=True) if both else wins_NV


def agreement(pairs: Sequence[Pair], wins_NK: np.ndarray) -> Share | None:
    """The share of pairs whose majority the judge is of; a tie of the judge is half. None without a majority."""
    right = {i: _right(wins_NK[i], p.majority) for i, p in enumerate(pairs) if p.majority != 0.5}
    return _clustered(pairs, right)


def beside_ceiling(pairs: Sequence[Pair], wins_NK: np.ndarray) -> tuple[Share | None, Share | None]:
    """How often one vote is of the majority of the pair's other votes, and how often the judge is of that same
    majority: the two that compare. None where no pair has two votes.
    """
    people: dict[int, list[float]] = {}
    judge: dict[int, list[float]] = {}
    for i, pair in enumerate(pairs):
        for n, vote in enumerate(pair.votes if len(pair.votes) > 1 else ()):
            others = majority(pair.votes[:n] + pair.votes[n + 1 :])
            if others != 0.5:
                people.setdefault(i, []).append(_is_right(vote - 1, others))
                judge.setdefault(i, []).extend(_right(wins_NK[i], others))
    return _clustered(pairs, people), _clustered(pairs, judge)


def kappa(pairs: Sequence[Pair], wins_NK: np.ndarray) -> Kappa | None:
    """Of first, tie and second; its interval by a bootstrap over instructions. None where chance leaves nothing to
    agree on.
    """
    counts_G33 = np.zeros((len(groups := _groups(pairs)), 3, 3))
    for g, members in enumerate(groups):
        for i in members:
            for win in wins_NK[i]:
                counts_G33[g, _class(pairs[i].majority), _class(win)] += 1
    value = _kappa(counts_G33.sum(axis=0))
    if value is None:
        return None
    rng = np.random.default_rng(SEED)
    weights_DG = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=DRAWS)
    drawn = [k for c in np.tensordot(weights_DG, counts_G33, 1) if (k := _kappa(c)) is not None]
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn else (value, value)
    return Kappa(value, float(low), float(high))


def consistency(views: Views) -> Share | None:
    """The share of pairs of two texts whose verdict is the same in both orders."""
    same = {
        i: [float(_class(a) == _class(b))]
        for i, (a, b) in enumerate(views.wins)
        if views.pairs[i].output_1 != views.pairs[i].output_2
    }
    return _clustered(views.pairs, same)


def preference_for_first(views: Views) -> Share | None:
    """How often the answer shown first wins, over both orders of every pair: half, if order decides nothing."""
    first = {i: [1 - a, b] for i, (a, b) in enumerate(views.wins) if views.pairs[i].output_1 != views.pairs[i].output_2}
    return _clustered(views.pairs, first)


def sameness(views: Views) -> str:
    """What a judge says whatever it is asked, in words; nothing for one that listens."""
    different = [w for w, p in zip(views.wins, views.pairs, strict=True) if p.output_1 != p.output_2]
    verdicts = [v for a, b in different for v in (_class(1 - a), _class(b))]  # 2: the one shown first
    first = "the answer shown first" if views.order else "the reference, whichever answer that is"
    second = "the answer shown second" if views.order else "the candidate, whichever answer that is"
    # without a known order, the place of the reference is the first
    for verdict, what in ((2, first), (0, second), (1, "a tie")):
        share = verdicts.count(verdict) / len(verdicts) if verdicts else 0.0
        if share >= SAME:
            return f"{what} ({100 * share:.0f} % of {len(verdicts):,} verdicts)"
    return ""


def calibration(pairs: Sequence[Pair], wins_NK: np.ndarray, is_symmetric: bool) -> Calibration | None:
    """The judge's shares of right answers where people have a majority, each worth as many independent cases as its
    spread over instructions says; see stats.calibration. None where one of them has no case.

    Not `is_symmetric`: the candidate is the answer in the second place, so each view is a case of its own.
    """
    right: dict[int, dict[int, list[float]]] = {0: {}, 1: {}}
    for i, pair in enumerate(pairs):
        if pair.majority == 0.5:
            continue
        second_wins = int(pair.majority)
        for view, win in enumerate(wins_NK[i]):
            # in the view in which the second answer stands first, the first is the candidate
            candidate_wins = 1 - second_wins if view and not is_symmetric else second_wins
            side = 0 if is_symmetric else candidate_wins
            right[side].setdefault(i, []).append(float(win if second_wins else 1 - win))
    if is_symmetric:
        right[1] = right[0]
    if not right[0] or not right[1]:
        return None
    (q0, n0), (q1, n1) = (_worth(pairs, right[side]) for side in (0, 1))
    return Calibration(q0, q1, n0, n1, is_symmetric)


def _worth(pairs: Sequence[Pair], values: dict[int, list[float]]) -> tuple[float, float]:
    """A mean, and how many independent cases its spread over instructions is worth; where all are alike, one for each
    instruction.
    """
    of = [np.array([v for i in group for v in values.get(i, ())]) for group in _groups(pairs)]
    of = [g for g in of if len(g)]
    num = sum(map(len, of))
    mean = float(sum(g.sum() for g in of) / num)
    spread = sum(float((g - mean).sum()) ** 2 for g in of) / num**2
    return mean, mean * (1 - mean) / spread if spread > 1e-12 and 0 < mean < 1 else float(len(of))


def _right(wins_K: np.ndarray, wanted: float) -> list[float]:
    return [_is_right(float(win), wanted) for win in wins_K]


def _is_right(win: float, wanted: float) -> float:
    """1 for the verdict that is wanted, 0 for the other, half for a tie."""
    return 0.5 if win == 0.5 else float((win > 0.5) == (wanted > 0.5))


def _class(win: float) -> int:
    """0 for the first answer, 1 for a tie, 2 for the second."""
    return 1 + int(np.sign(round(win - 0.5, 9)))


def _groups(pairs: Sequence[Pair]) -> list[list[int]]:
    """Places of pairs by instruction: what is said of one tells less than of several."""
    found: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        found.setdefault(pair.instruction, []).append(i)
    return list(found.values())


def _clustered(pairs: Sequence[Pair], values: dict[int, list[float]]) -> Share | None:
    of = [[v for i in group for v in values.get(i, ())] for group in _groups(pairs)]
    of = [group for group in of if group]
    return share_of(of) if of else None


def _kappa(counts_33: np.ndarray) -> float | None:
    shares_33 = counts_33 / counts_33.sum()
    chance = float(shares_33.sum(axis=1) @ shares_33.sum(axis=0))
    return (float(np.trace(shares_33)) - chance) / (1 - chance) if chance < 1 - 1e-12 else None
