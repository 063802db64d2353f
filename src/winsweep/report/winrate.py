"""From the preferences of one cell to its win rates: which formula applies, how rows are joined to it, how sure the figure is."""

import csv
import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from winsweep.errors import BadData, Incomplete, MissingInput, NotFinite
from winsweep.judge import alpaca
from winsweep.tasks.alpaca_eval import ALPACA_EVAL, digest

NUM_ALPACA_EVAL = 805
MIN_OUTCOMES = 5  # wins, and losses, that the minimal formula needs: a fold that holds all of one kind sends its fit astray
GAMED_WEIGHT = 0.1  # of each row of the two gamed baselines, beside 1 of a judged row (length_controlled_v1)


@dataclass(frozen=True)
class LC:
    """A length-controlled win rate of the candidate.

    `formula` is "official" (AlpacaEval's length_controlled_v1), "minimal" (its length_controlled_minimal: no difficulty, no
    regulariser) or "raw": the plain win rate, where length cannot be told from merit.
    """

    win_rate_pct: float
    standard_error_pct: float
    formula: Literal["official", "minimal", "raw"]


@dataclass(frozen=True)
class Sides:
    """What the outputs look like before anyone judges them; shares are fractions of the candidate's outputs."""

    mean_chars: float
    mean_chars_reference: float
    share_truncated: float
    share_empty: float


def win_rate(preferences: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error (sample deviation / √n), as fractions, of preferences on AlpacaEval's scale [1, 2].

    One preference has no spread: its error is given as 0.5, the largest that a fraction can have. Raises Incomplete
    for none at all, or naming the positions of those that are not numbers in [1, 2] (alpaca_eval drops them).
    """
    if not len(preferences):
        raise Incomplete("win rate: found no preferences; legal is at least one; judge the pairs first")
    wins_N = np.asarray(preferences, dtype=float) - 1
    bad = np.flatnonzero(~((wins_N >= 0) & (wins_N <= 1)))
    if len(bad):
        shown = ", ".join(f"#{i} {preferences[i]!r}" for i in bad[:3])
        found = f"{len(bad)} of {len(wins_N)} preferences are none ({shown})"
        raise Incomplete(f"win rate: {found}; legal is 1 to 2; judge those pairs again")
    return float(wins_N.mean()), float(wins_N.std(ddof=1) / math.sqrt(len(wins_N))) if len(wins_N) > 1 else 0.5


def length_controlled(rows: Sequence[Mapping[str, Any]], instructions: Sequence[str], table: Path | None = None) -> LC:
    """The length-controlled win rate of annotation `rows` that cover `instructions` (in their set's own order) exactly once each.

    Rows are joined by instruction, in any order; alpaca_eval joins difficulty by position, so that one lost row
    shifts all later ones. The official formula is used for AlpacaEval's 805 instructions in canonical order with
    `table` (df_gamed.csv; difficulty in it or in instruction_difficulty.csv beside it), otherwise the minimal one. With one's
    own reference the official formula still leans towards GPT-4-turbo's variants and is not antisymmetric; either formula
    gives exactly 50 where cross-validation prefers no model at all, which near 50 and for small sets is often.
    Raw instead of a fit: ties only (exactly 50), length differences without any spread, or, for the minimal formula, fewer
    than five wins' or five losses' worth of preferences (it calls 805 losses 50 %, and one win among them 21 %).
    The standard error propagates the sampling of rows through the fit at the chosen penalty (see `_fit_error`), and is too
    small where length separates wins from losses; alpaca_eval's own is about half of it, and 0 for the minimal formula.
    Raises Incomplete, BadData, MissingInput, NotFinite.
    """
    rows = _aligned(rows, instructions)
    preferences = [row["preference"] for row in rows]
    mean, error = win_rate(preferences)
    chars_1, chars_2 = ([len(row[side]) for row in rows] for side in ("output_1", "output_2"))
    deltas_N = np.array(chars_1, dtype=float) - np.array(chars_2, dtype=float)
    official = table if table and digest(instructions) == ALPACA_EVAL else None
    too_few = not official and len(rows) * min(mean, 1 - mean) < MIN_OUTCOMES
    if too_few or set(preferences) == {1.5} or np.ptp(deltas_N) == 0:
        return LC(mean * 100, error * 100, "raw")
    with tempfile.TemporaryDirectory() as scratch:
        official = official and _complete_table(official, Path(scratch))
        fit = alpaca.length_controlled(preferences, chars_1, chars_2, official)
        gamed = _read(official) if official else []
    error_pct = _fit_error(fit, deltas_N, np.array(preferences) - 1, gamed)
    if not (math.isfinite(fit.win_rate_pct) and math.isfinite(error_pct)):
        raise NotFinite(f"length-controlled win rate: the fit of {len(rows)} rows gave {fit.win_rate_pct} ± {error_pct}; legal are numbers")
    return LC(fit.win_rate_pct, error_pct, "official" if official else "minimal")


def describe(candidate: Sequence[str], reference: Sequence[str], truncated: Sequence[bool]) -> Sides:
    """Lengths in characters of both sides, and the shares of the candidate's outputs that were cut off or are blank."""
    if not candidate or not len(candidate) == len(reference) == len(truncated):
        found = f"{len(candidate)} candidate outputs, {len(reference)} of the reference, {len(truncated)} marks of truncation"
        raise Incomplete(f"outputs: found {found}; legal is the same number of each, at least one")
    num = len(candidate)
    blank = sum(not output.strip() for output in candidate)
    return Sides(sum(map(len, candidate)) / num, sum(map(len, reference)) / num, sum(truncated) / num, blank / num)


def _aligned(rows: Sequence[Mapping[str, Any]], instructions: Sequence[str]) -> list[Mapping[str, Any]]:
    for what, texts in (("instruction set", list(instructions)), ("rows", [row["instruction"] for row in rows])):
        _refuse([text for text, num in Counter(texts).items() if num > 1], f"{what}: found more than once", "each instruction once")
    by_instruction = {row["instruction"]: row for row in rows}
    _refuse([text for text in instructions if text not in by_instruction], "rows: no judgement for", "a row for every instruction")
    _refuse(by_instruction.keys() - set(instructions), "rows: not in the instruction set", "rows of this instruction set only")
    return [by_instruction[text] for text in instructions]


def _refuse(texts: Sequence[str] | set[str], found: str, legal: str) -> None:
    if texts:
        shown = ", ".join(repr(text[:60]) for text in sorted(texts)[:3])
        raise Incomplete(f"{found}: {shown} ({len(texts)} in all); legal is {legal}; judge the whole set again")


def _complete_table(table: Path, scratch: Path) -> Path:
    """`table` itself, or a copy completed from instruction_difficulty.csv beside it; BadData unless two times 805 rows in order."""
    rows = _read(table)
    if [row.get("index") for row in rows] != [str(i) for i in range(NUM_ALPACA_EVAL)] * 2:
        legal = "legal is index 0 to 804 in order, twice"
        raise BadData(f"{table}: found {len(rows)} rows; {legal}; fetch df_gamed.csv of the data set tatsu-lab/alpaca_eval again")
    if "instruction_difficulty" in rows[0]:
        return table
    beside = table.with_name("instruction_difficulty.csv")
    difficulty = {row["index"]: row["instruction_difficulty"] for row in _read(beside)}
    if len(difficulty) != NUM_ALPACA_EVAL:
        raise BadData(f"{beside}: found {len(difficulty)} rows; legal is one for each of 805")
    rows = [row | {"instruction_difficulty": difficulty[row["index"]]} for row in rows]
    with open(scratch / "df_gamed.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return scratch / "df_gamed.csv"


def _read(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, newline="") as f:
            return list(csv.DictReader(f))
    except FileNotFoundError:
        raise MissingInput(f"{table}: not there; legal is that file of the data set tatsu-lab/alpaca_eval; fetch it once") from None


def _fit_error(fit: alpaca.Fit, deltas_N: np.ndarray, wins_N: np.ndarray, gamed: list[dict[str, str]]) -> float:
    """Standard error in percent by the influence function of the weighted logistic fit, its penalty's strength held fixed.

    psi_i = p_i - mean(p) + n * score_i H^-1 J with p the prediction at equal length, H the weighted Hessian (gamed
    rows included, as fixed data) and J the gradient of mean(p); the error is sd(psi) / sqrt(n). N rows, F = 3 features.
    """
    difficulty_N = np.array([float(row["instruction_difficulty"]) for row in gamed[:NUM_ALPACA_EVAL]] or np.zeros(len(wins_N)))
    weights_F = np.array([fit.length, fit.difficulty, fit.merit])
    x_NF = np.stack([np.tanh(deltas_N / deltas_N.std(ddof=1)), difficulty_N, np.ones_like(wins_N)], axis=1)
    hessian_FF = _hessian(x_NF, weights_F)
    if gamed:
        lengths_G = np.tanh([float(row["std_delta_len"]) for row in gamed])
        x_GF = np.stack([lengths_G, np.tile(difficulty_N, 2), np.zeros(len(gamed))], axis=1)
        hessian_FF += GAMED_WEIGHT * _hessian(x_GF, weights_F)
    score_NF = x_NF * (wins_N - _logistic(x_NF @ weights_F))[:, None]
    p_N = _logistic(x_NF[:, 1:] @ weights_F[1:])
    slope_F = ((p_N * (1 - p_N))[:, None] * x_NF * [0, 1, 1]).mean(axis=0)
    psi_N = p_N - p_N.mean() + len(p_N) * score_NF @ np.linalg.pinv(hessian_FF) @ slope_F
    return float(psi_N.std(ddof=1) / math.sqrt(len(psi_N)) * 100)


def _hessian(x_NF: np.ndarray, weights_F: np.ndarray) -> np.ndarray:
    p_N = _logistic(x_NF @ weights_F)
    return (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF


def _logistic(eta_N: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -eta_N))
