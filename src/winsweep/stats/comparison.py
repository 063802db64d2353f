"""The figures of one judged comparison: every column of the table that comes from its annotation rows."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winsweep.errors import BadData, Incomplete
from winsweep.judge.questions import TIE, drift, sampled
from winsweep.quoting import excerpt
from winsweep.stats.annotations import Judged, align, is_preference, judged
from winsweep.stats.control import Control
from winsweep.stats.jury_agreement import jury_agreement, told
from winsweep.stats.official import Table
from winsweep.stats.paired import Paired, paired, raw
from winsweep.stats.style import Styled, styled
from winsweep.stats.winrate import LC, describe, disagreement, length_controlled, win_rate

Row = Mapping[str, Any]
# of a row; the outputs of a thousand cells would not fit in memory
KEPT = ("dataset", "preference", "preferences_by_order", "truncated")


@dataclass(frozen=True)
class Scored:
    """A comparison: what is KEPT of its rows in the order of the instructions and whether their outputs are the same
    (`is_identical`), its head-to-head win rates (at equal length, at equal style, plain) and its columns.
    """

    kept: Sequence[Row]
    judged: Judged
    paired: Paired
    style: Styled
    plain: Paired
    lc: LC
    columns: Mapping[str, object]

    def figure(self, control: Control) -> Paired:
        """The win rate under a control."""
        return {"length": self.paired, "style": self.style.figure, "none": self.plain}[control]


def score(rows: Sequence[Row], instructions: Sequence[str], table: Table | None) -> Scored:
    """The figures of annotation rows that cover `instructions` exactly; errors are those of `annotations.judged`."""
    return of(align(rows, instructions), judged(rows, instructions), table)


def of(rows: Sequence[Row], arrays: Judged, table: Table | None, lc: LC | None = None) -> Scored:
    """The figures of aligned rows; `lc` replaces the headline that the instruction set decides."""
    difficulty_N = table.difficulty_N if table else None
    head_to_head = paired(arrays, difficulty_N)
    texts = [r["output_2"] for r in rows], [r["output_1"] for r in rows]
    style = styled(arrays, texts, head_to_head, difficulty_N)
    lc = lc or length_controlled(arrays, head_to_head, table)
    wins_N = arrays.wins_N[np.isfinite(arrays.wins_N)]
    mean, error = win_rate((wins_N + 1).tolist())
    plain = raw(wins_N, "")
    sides = describe(*texts, [bool(r.get("truncated")) for r in rows])
    second = head_to_head.note if head_to_head.note != lc.note else ""
    kept = [_kept(row) for row in rows]
    jury = jury_agreement(rows)
    third = style.figure.note if style.figure.note not in (lc.note, second) else ""
    judging = (drift(rows), sampled(rows), off_grammar(rows), told(jury))
    said = (lc.note, second, third, disagreement(lc, head_to_head), *judging)
    note = "; ".join(text for text in said if text)
    columns = {
        "n": len(wins_N),
        "lc_win_rate_pct": lc.win_rate_pct,
        "lc_standard_error_pct": lc.standard_error_pct,
        "lc_formula": lc.formula,
        "lc_c": lc.c,
        **_head_to_head("paired", head_to_head, head_to_head.formula),
        **_head_to_head("style", style.figure, style.formula),
        "win_rate_pct": 100 * mean,
        "standard_error_pct": 100 * error,
        "low_pct": plain.low_pct,
        "high_pct": plain.high_pct,
        "share_ties": float((wins_N == 0.5).mean()),
        "share_identical": sum(row["is_identical"] for row in kept) / len(rows),
        "position_bias_pct": position_bias_pct(rows),
        "share_disagree": share_disagree(rows),
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
    return Scored(kept, arrays, head_to_head, style, plain, lc, columns)


def _kept(row: Row) -> Row:
    return {name: row.get(name) for name in KEPT} | {"is_identical": row["output_1"] == row["output_2"]}


def _head_to_head(name: str, figure: Paired, formula: str) -> dict[str, object]:
    return {
        f"{name}_win_rate_pct": figure.win_rate_pct,
        f"{name}_standard_error_pct": figure.standard_error_pct,
        f"{name}_low_pct": figure.low_pct,
        f"{name}_high_pct": figure.high_pct,
        f"{name}_formula": formula,
    }


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
                f"{excerpt(text)}: preferences_by_order is {excerpt(orders)} beside the preference "
                f"{excerpt(preference)}; legal "
                f"are two of 1 to 2 "
                "whose mean it is; judge that pair again"
            )
    return 100 * sum(orders[1] - orders[0] for _, _, orders in both) / len(both) if both else None


def share_disagree(rows: Sequence[Row]) -> float | None:
    """The fraction of rows judged in both orders whose two orders name different winners; None where no row was. A
    judge's own ties are none of them.
    """
    both = [o for row in rows if (o := row.get("preferences_by_order")) is not None]
    return sum((a - TIE) * (b - TIE) < 0 for a, b in both) / len(both) if both else None


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
            f"{name}: a cell was judged by {' and '.join(map(excerpt, sorted(values)[:3]))} ({len(values)} in all); "
            "one judge is legal; judge it again"
        )
    return values.pop()
