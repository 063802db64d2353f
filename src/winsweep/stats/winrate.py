"""From one judged comparison to its win rates: which formula applies, and what the outputs look like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from winsweep.errors import Incomplete, NotFinite
from winsweep.judge.alpaca import Fit
from winsweep.stats.annotations import Judged, refuse_preferences
from winsweep.stats.instruction_index import NUM_ALPACA_EVAL
from winsweep.stats.official import AGREEMENT_PCT, Table, fast, official, standard_error_pct
from winsweep.stats.paired import Paired, paired

TINY_PCT = 1e-6  # an error below it is rounding
NO_TABLE = "AlpacaEval's formula needs its table of difficulty: add compare: {difficulty: …/df_gamed.csv}"


@dataclass(frozen=True)
class LC:
    """A length-controlled win rate of the candidate.

    `formula` is "official" (AlpacaEval's length_controlled_v1, with its inverse penalty `c`), "paired" (the
    head-to-head model, for sets where the official formula is not defined) or "raw": the plain win rate, where length
    cannot be told from merit.
    """

    win_rate_pct: float
    standard_error_pct: float
    formula: Literal["official", "paired", "raw"]
    c: float | None = None
    note: str = ""


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
    for none at all, or naming those that are not numbers in [1, 2] (alpaca_eval drops them).
    """
    if not len(preferences):
        raise Incomplete("win rate: found no preferences; legal is at least one; judge the pairs first")
    refuse_preferences(preferences, [""] * len(preferences))
    wins_N = np.asarray(preferences, dtype=float) - 1
    return float(wins_N.mean()), float(wins_N.std(ddof=1) / math.sqrt(len(wins_N))) if len(wins_N) > 1 else 0.5


def length_controlled(judged: Judged, head_to_head: Paired, table: Table | None = None) -> LC:
    """The headline of a comparison: official on AlpacaEval's 805 instructions with `table`, in any order of rows,
    otherwise head to head.
    """
    if len(judged.wins_N) == NUM_ALPACA_EVAL and (judged.indices_N >= 0).all():
        if table:
            return official_lc(judged, table)
        return LC(head_to_head.win_rate_pct, head_to_head.standard_error_pct, head_to_head.formula, note=NO_TABLE)
    return LC(head_to_head.win_rate_pct, head_to_head.standard_error_pct, head_to_head.formula, note=head_to_head.note)


def official_lc(judged: Judged, table: Table, c: float | None = None) -> LC:
    """AlpacaEval's number for rows that all have a place, its penalty `c` given or cross-validated, checked against the
    fast fit.

    Raw instead: ties only (exactly 50, as AlpacaEval has for its own reference), and length differences without any
    spread, for which AlpacaEval's code gives NaN. alpaca_eval's own standard error is about half of a bootstrap's; this
    one is not.
    """
    wins_N = judged.wins_N[np.isfinite(judged.wins_N)]
    if (wins_N == 0.5).all() or np.ptp(judged.longer_N) == 0:
        mean, error = win_rate((wins_N + 1).tolist())
        return LC(
            100 * mean,
            100 * error,
            "raw",
            note="all ties" if (wins_N == 0.5).all() else "all pairs differ equally in length",
        )
    fit = official(judged, table, c)
    error_pct, held = _error_pct(judged, table, fit, c)
    if not (math.isfinite(fit.win_rate_pct) and math.isfinite(error_pct)):
        raise NotFinite(
            f"length-controlled win rate: the fit of {len(wins_N)} rows gave {fit.win_rate_pct} ± {error_pct}; legal "
            f"are numbers"
        )
    off = fit.win_rate_pct - fast([judged], table, fit.c)[0].win_rate_pct
    stopped = f"liblinear stopped {off:+.3f} points from the minimum" if abs(off) > AGREEMENT_PCT else ""
    return LC(fit.win_rate_pct, error_pct, "official", fit.c, "; ".join(filter(None, (held, stopped))))


def _error_pct(judged: Judged, table: Table, fit: Fit, c: float | None) -> tuple[float, str]:
    """The error of an official number, and a note where it is the paired model's.

    That is where cross-validation chose a penalty that holds the merit at 0, or where nothing moves at all: another
    sample would have another penalty, which an error at this one cannot know (it may be 0 although rows differ).
    """
    error_pct = standard_error_pct(judged, table, fit)
    if error_pct > TINY_PCT and (fit.weights[2] or c is not None):
        return error_pct, ""
    held = f"the penalty (c = {fit.c:.4g}) leaves the candidate no merit of its own; the error is the paired model's"
    return max(error_pct, paired(judged, table.difficulty_N).standard_error_pct), held


def disagreement(lc: LC, head_to_head: Paired) -> str:
    """A note where the official number and the head-to-head one are further apart than the larger of their standard
    errors, or nothing.
    """
    apart = lc.win_rate_pct - head_to_head.win_rate_pct
    error = max(lc.standard_error_pct, head_to_head.standard_error_pct)
    if lc.formula != "official" or abs(apart) <= error:
        return ""
    return f"official is {apart:+.1f} points from head to head (errors at most {error:.1f})"


def describe(candidate: Sequence[str], reference: Sequence[str], truncated: Sequence[bool]) -> Sides:
    """Lengths in characters of both sides, and the shares of the candidate's outputs that were cut off or are blank."""
    if not candidate or not len(candidate) == len(reference) == len(truncated):
        found = (
            f"{len(candidate)} candidate outputs, {len(reference)} of the reference, {len(truncated)} marks of "
            f"truncation"
        )
        raise Incomplete(f"outputs: found {found}; legal is the same number of each, at least one")
    num = len(candidate)
    blank = sum(not output.strip() for output in candidate)
    return Sides(sum(map(len, candidate)) / num, sum(map(len, reference)) / num, sum(truncated) / num, blank / num)
