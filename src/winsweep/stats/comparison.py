"""The figures of one judged comparison: every column of the table that comes from its annotation rows."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winsweep.errors import BadData, Incomplete
from winsweep.judge.questions import drift, sampled
from winsweep.stats.annotations import Judged, align, is_preference, judged
from winsweep.stats.jury_agreement import jury_agreement, told
from winsweep.stats.official import Table
from winsweep.stats.paired import Paired, paired
from winsweep.stats.winrate import LC, describe, disagreement, length_controlled, win_rate

Row = Mapping[str, Any]
# of a row; the outputs of a thousand cells would not fit in memory
KEPT = ("dataset", "preference", "preferences_by_order", "truncated")


@dataclass(frozen=True)
class Scored:
    """A comparison: what is KEPT of its rows in the order of the instructions, its head-to-head win rate and its
    columns.
    """

    kept: Sequence[Row]
    judged: Judged
    paired: Paired
    lc: LC
    columns: Mapping[str, object]


def score(rows: Sequence[Row], instructions: Sequence[str], table: Table | None) -> Scored:
    """The figures of annotation rows that cover `instructions` exactly; errors are those of `annotations.judged`."""
    return of(align(rows, instructions), judged(rows, instructions), table)


def of(rows: Sequence[Row], arrays: Judged, table: Table | None, lc: LC | None = None) -> Scored:
    """The figures of aligned rows; `lc` replaces the headline that the instruction set decides."""
    head_to_head = paired(arrays, table.difficulty_N if table else None)
    lc = lc or length_controlled(arrays, head_to_head, table)
    wins_N = arrays.wins_N[np.isfinite(arrays.wins_N)]
    mean, error = win_rate((wins_N + 1).tolist())
    sides = describe(
        [r["output_2"] for r in rows], [r["output_1"] for r in rows], [bool(r.get("truncated")) for r in rows]
    )
    second = head_to_head.note if head_to_head.note != lc.note else ""
    jury = jury_agreement(rows)
    said = (lc.note, second, disagreement(lc, head_to_head), drift(rows), sampled(rows), off_grammar(rows), told(jury))
    note = "; ".join(text for text in said if text)
    columns = {
        "n": len(wins_N),
        "lc_win_rate_pct": lc.win_rate_pct,
        "lc_standard_error_pct": lc.standard_error_pct,
        "lc_formula": lc.formula,
        "lc_c": lc.c,
        "paired_win_rate_pct": head_to_head.win_rate_pct,
        "paired_standard_error_pct": head_to_head.standard_error_pct,
        "paired_low_pct": head_to_head.low_pct,
        "paired_high_pct": head_to_head.high_pct,
        "paired_formula": head_to_head.formula,
        "win_rate_pct": 100 * mean,
        "standard_error_pct": 100 * error,
        "share_ties": float((wins_N == 0.5).mean()),
        "share_identical": sum(row["output_1"] == row["output_2"] for row in rows) / len(rows),
        "position_bias_pct": position_bias_pct(rows),
        "jury_alpha": jury and jury.alpha,
        "jury_agreement": jury and jury.share_same,
        "jury_win_rates_pct": jury and " ".join(f"{rate:.1f}" for rate in jury.win_rates_pct),
        "mean_chars": sides.mean_chars,
        "mean_chars_reference": sides.mean_chars_reference,
        "share_truncated": sides.share_truncated,
        "share_empty": sides.share_empty,
        **{
            name: mean_of(rows, column)
            for name, column in (("chrf", "chrf_candidate"), ("exact", "exact"), ("starts", "starts"))
        },
        "judge": one(rows, "annotator"),
        "judge_model": one(rows, "model"),
        "note": note,
    }
    return Scored([{name: row.get(name) for name in KEPT} for row in rows], arrays, head_to_head, lc, columns)


def position_bias_pct(rows: Sequence[Row]) -> float | None:
    """What the candidate wins shown first, less what it wins shown second, in points; over rows judged in both orders,
    if there are any.

    `preferences_by_order` holds the preference with the reference shown first, then with the candidate shown first;
    BadData unless both are on the scale and `preference` is their mean.
    """
    both = [
        (row["instruction"], row["preference"], row["preferences_by_order"])
        for row in rows
        if row.get("preferences_by_order") is not None
    ]
    for text, preference, orders in both:
        if (
            len(orders) != 2
            or not all(map(is_preference, orders))
            or not math.isclose(sum(orders) / 2, preference, abs_tol=1e-6)
        ):
            raise BadData(
                f"{text[:60]!r}: preferences_by_order is {orders!r:.80} beside the preference {preference!r}; legal "
                f"are two of 1 to 2 "
                "whose mean it is; judge that pair again"
            )
    return 100 * sum(orders[1] - orders[0] for _, _, orders in both) / len(both) if both else None


def off_grammar(rows: Sequence[Row]) -> str:
    """How many of the candidate's answers are no text of its grammar, and why; nothing where all are."""
    num = Counter(row["grammar"] for row in rows if "grammar" in row)
    cut, dead = num["cut"], num["dead end"]
    why = [f"{cut} cut by the limit of new tokens"] * bool(cut) + [f"{dead} at a dead end"] * bool(dead)
    return f"{cut + dead} of {len(rows)} answers do not match their grammar ({', '.join(why)})" if why else ""


def mean_of(rows: Sequence[Row], name: str) -> float | None:
    """The mean of a column that every row has, or nothing."""
    values = [value for r in rows if (value := r.get(name)) is not None]
    return None if len(values) < len(rows) else sum(values) / len(values)


def one(rows: Sequence[Row], name: str) -> str:
    """The one value of a column; two judges in one row of the table would be two experiments."""
    values = {str(r.get(name, "")) for r in rows}
    if len(values) > 1:
        raise Incomplete(
            f"{name}: a cell was judged by {' and '.join(sorted(values))}; one judge is legal; judge it again"
        )
    return values.pop()
