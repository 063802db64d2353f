"""What a judge likes beside what people like: how much longer answers, lists, headers, bold, code and the first place
win where people's votes are equal.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from winsweep.validation.asking import Views
from winsweep.validation.pair import Pair

HEADER = re.compile(r"^#{1,6} +\S", re.MULTILINE)
LISTED = re.compile(r"^ *(?:[-*+•]|\d{1,3}[.)]) +\S", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
FENCE = re.compile(r"^ *```", re.MULTILINE)
COUNTS = {
    "lists": LISTED,
    "headers": HEADER,
    "bold": BOLD,
    "code": FENCE,
}
TWICE = 1 / 3  # of the difference by the sum: an answer of twice the length
RIDGE = 0.05  # squared prior precision: keeps what a judge does without exception finite
MOST_STEPS, ENOUGH = 100, 1e-10
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Leaning:
    """How often the judge prefers an answer for a property alone (0 to 1; 0.5 is not at all), with its 95 % interval;
    in how many pairs the answers differ by it.
    """

    share: float
    low: float
    high: float
    num: int


def leanings(views: Views) -> dict[str, Leaning]:
    """Each property in which some answers differ, by name, at equal votes of people.

    Logistic regression of the preference for the second answer on the votes' margin, the place, and the differences of
    length and style, each as (b - a) / (b + a) (Arena-Hard's style control), without an intercept, so that swapped
    answers give the same; a weak normal prior; errors by the sandwich over instructions.
    """
    names = ["votes", "first", "length", *COUNTS]
    x_NK, y_N, group_N = _design(views)
    kept = [k for k in range(len(names)) if np.abs(x_NK[:, k]).max(initial=0) > 0]
    if not len(y_N) or not kept:
        return {}
    beta_K, cov_KK = _fit(x_NK[:, kept], y_N, group_N)
    steps = {"length": TWICE}
    found = {}
    for place, k in enumerate(kept):
        if (name := names[k]) != "votes":
            step, value, error = (
                steps.get(name, 1.0),
                beta_K[place],
                math.sqrt(max(0.0, cov_KK[place, place])),
            )  # rounding
            share, low, high = (_expit(step * (value + z * error)) for z in (0, -Z95, Z95))
            found[name] = Leaning(share, low, high, int((x_NK[::2, k] != 0).sum()))
    return found


def differences(pair: Pair) -> list[float]:
    """Of the second answer less the first, by their sum: characters and each of COUNTS; 0 where neither has any."""
    numbers = [(len(pair.output_1), len(pair.output_2))]
    numbers += [(_num(name, pair.output_1), _num(name, pair.output_2)) for name in COUNTS]
    return [(b - a) / (a + b) if a + b else 0.0 for a, b in numbers]


def _num(name: str, text: str) -> int:
    return len(COUNTS[name].findall(text))


def _design(views: Views) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two rows for each pair of different answers, one for each order."""
    x, y, groups = [], [], []
    places: dict[str, int] = {}
    for pair, wins in zip(views.pairs, views.wins, strict=True):
        if pair.output_1 == pair.output_2:
            continue
        for is_first, win in zip((-1.0, 1.0), wins, strict=True):
            x.append([pair.margin, is_first, *differences(pair)])
            y.append(win)
            groups.append(places.setdefault(pair.instruction, len(places)))
    return np.array(x, float).reshape(len(y), 3 + len(COUNTS)), np.array(y, float), np.array(groups, int)


def _fit(x_NK: np.ndarray, y_N: np.ndarray, group_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and their covariance; Newton's steps, halved where one overshoots."""
    beta_K = np.zeros(x_NK.shape[1])
    for _ in range(MOST_STEPS):
        gradient_K, bread_KK = _slopes(beta_K, x_NK, y_N)
        step_K, size = np.linalg.solve(bread_KK, gradient_K), 1.0
        while _loss(beta_K + size * step_K, x_NK, y_N) > _loss(beta_K, x_NK, y_N) and size > 1e-6:
            size /= 2
        beta_K = beta_K + size * step_K
        if np.abs(size * step_K).max() < ENOUGH:
            break
    _, bread_KK = _slopes(beta_K, x_NK, y_N)
    scores_NK = x_NK * (y_N - _expits(x_NK @ beta_K))[:, None]
    by_group_GK = np.zeros((group_N.max() + 1, x_NK.shape[1]))
    np.add.at(by_group_GK, group_N, scores_NK)
    num = len(by_group_GK)
    inverse_KK = np.linalg.inv(bread_KK)
    meat_KK = by_group_GK.T @ by_group_GK * (num / max(1, num - 1))
    return beta_K, inverse_KK @ meat_KK @ inverse_KK


def _slopes(beta_K: np.ndarray, x_NK: np.ndarray, y_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p_N = _expits(x_NK @ beta_K)
    bread_KK = (x_NK * (p_N * (1 - p_N))[:, None]).T @ x_NK + RIDGE * np.eye(len(beta_K))
    return x_NK.T @ (y_N - p_N) - RIDGE * beta_K, bread_KK


def _loss(beta_K: np.ndarray, x_NK: np.ndarray, y_N: np.ndarray) -> float:
    z_N = x_NK @ beta_K
    return float(np.logaddexp(0, z_N).sum() - y_N @ z_N + RIDGE / 2 * beta_K @ beta_K)


def _expits(z_N: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z_N, -700, 700)))


def _expit(z: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, z))))
