"""Which annotation rows may be counted, and in which order: joined by instruction, refused by name, put into arrays."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from winsweep.errors import BadData, Incomplete
from winsweep.quoting import excerpt
from winsweep.stats.instruction_index import index_of

TEXTS = ("instruction", "output_1", "output_2")
NUM_NAMED = 3  # rows that an error shows
FAILED = -1  # what alpaca_eval writes for a judgement that failed
# What rows may have besides, by the types that figures are made of; None where a row has nothing there.
OTHERS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("annotator", "dataset", "model", "grammar", "fingerprint"), (str,)),
    **dict.fromkeys(("chrf_candidate", "exact", "starts"), (int, float)),
    **dict.fromkeys(("preferences_by_order", "preferences_by_judge"), (list,)),
}


@dataclass(frozen=True)
class Judged:
    """One comparison of N rows: what the candidate (output_2) won of each against the reference (output_1), and how
    long both are.
    """

    instructions: tuple[str, ...]
    wins_N: np.ndarray  # fractions; NaN for a row that nobody judged
    chars_1_N: np.ndarray  # code points, as pandas counts them
    chars_2_N: np.ndarray
    indices_N: np.ndarray  # AlpacaEval's index of the instruction; -1 for one that is not AlpacaEval's
    reference: str = ""  # name of the model behind output_1, where all rows have one
    candidate: str = ""  # and behind output_2

    @property
    def longer_N(self) -> np.ndarray:
        """Characters of the reference less those of the candidate, AlpacaEval's sign."""
        return (self.chars_1_N - self.chars_2_N).astype(float)


def judged(rows: Sequence[Mapping[str, Any]], instructions: Sequence[str], can_lack: bool = False) -> Judged:
    """`rows` in the order of `instructions`, each of which has exactly one; so no order of rows can change a figure.

    With `can_lack`, instructions without a row are left out, and rows whose preference is None stay, unjudged. Raises
    BadData for rows that are no annotations; Incomplete, naming instructions, for rows that are twice, missing or not
    of this set, and for preferences that are not numbers in [1, 2].
    """
    aligned = align(rows, instructions, can_lack)
    preferences = [row["preference"] for row in aligned]
    refuse_preferences(preferences, [row["instruction"] for row in aligned], can_lack)
    wins_N = np.array([np.nan if p is None else float(p) for p in preferences]) - 1
    if not np.isfinite(wins_N).any():
        raise Incomplete("rows: found no preferences; legal is at least one; judge the pairs first")
    by_text = {text: text for text in instructions}
    # the set's own strings, which all comparisons of a table share
    texts = tuple(by_text[row["instruction"]] for row in aligned)
    indices_N = np.array([-1 if (index := index_of(text)) is None else index for text in texts])
    chars_1_N, chars_2_N = (np.array([len(row[side]) for row in aligned]) for side in ("output_1", "output_2"))
    return Judged(
        texts, wins_N, chars_1_N, chars_2_N, indices_N, _name(aligned, "generator_1"), _name(aligned, "generator_2")
    )


def align(
    rows: Sequence[Mapping[str, Any]], instructions: Sequence[str], can_lack: bool = False
) -> list[Mapping[str, Any]]:
    """The rows in the order of `instructions`; see `judged` for what is refused."""
    _refuse_shapes(rows)
    for what, texts in (("instruction set", list(instructions)), ("rows", [row["instruction"] for row in rows])):
        _refuse(
            [text for text, num in Counter(texts).items() if num > 1],
            f"{what}: found more than once",
            "each instruction once",
        )
    by_instruction = {row["instruction"]: row for row in rows}
    if not can_lack:
        _refuse(
            [text for text in instructions if text not in by_instruction],
            "rows: no judgement for",
            "a row for every instruction",
        )
    asked = set(instructions)
    _refuse(
        [text for text in by_instruction if text not in asked],
        "rows: not in the instruction set",
        "rows of this instruction set only",
    )
    return [by_instruction[text] for text in instructions if text in by_instruction]


def refuse_preferences(preferences: Sequence[object], texts: Sequence[str], can_lack: bool = False) -> None:
    """Incomplete, naming instructions, unless every preference is a number in [1, 2] (or, with `can_lack`, None)."""
    bad = [i for i, p in enumerate(preferences) if not (is_preference(p) or (can_lack and p is None))]
    if bad:
        shown = ", ".join(f"#{i} {excerpt(texts[i])} {excerpt(preferences[i])}" for i in bad[:NUM_NAMED])
        is_odd = any(is_number(preferences[i]) and preferences[i] != FAILED for i in bad)
        what, do = ("outside", _scale(preferences)) if is_odd else ("none", "judge those pairs again")
        raise Incomplete(
            f"win rate: {len(bad)} of {len(preferences)} preferences are {what} ({shown}); legal is 1 to 2; {do}"
        )


def _scale(preferences: Sequence[Any]) -> str:
    """What to type where preferences are on another scale than AlpacaEval's."""
    are_shares = all(0 <= p <= 1 for p in preferences if is_number(p) and p != FAILED)
    shares = "add 1 to each, if they are 0 where output_1 is better and 1 where output_2 is"
    return (
        shares if are_shares else "write 1 where output_1 is better, 2 where output_2 is, and null where nobody judged"
    )


def is_preference(value: object) -> bool:
    """Whether it is on AlpacaEval's scale; alpaca_eval writes -1 or nothing for a judgement that failed."""
    return is_number(value) and 1 <= value <= 2


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a number, and not NaN."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _name(rows: Sequence[Mapping[str, Any]], side: str) -> str:
    names = {str(row.get(side, "")) for row in rows}
    return names.pop() if len(names) == 1 else ""


def _refuse_shapes(rows: Sequence[Mapping[str, Any]]) -> None:
    for i, row in enumerate(rows):
        wrong = [name for name in TEXTS if not isinstance(row.get(name), str)] + (
            ["preference"] if "preference" not in row else []
        )
        if wrong:
            legal = (
                "legal are the texts instruction, output_1 (the reference's), output_2 (the candidate's) and the "
                "number preference"
            )
            raise BadData(f"row {i}: {wrong[0]} is {excerpt(row.get(wrong[0]))}; {legal}; judge the outputs first")
        for name, kinds in OTHERS.items():
            if row.get(name) is not None and not isinstance(row[name], kinds):
                what = " or ".join(kind.__name__ for kind in kinds)
                raise BadData(f"row {i}: {name} is {excerpt(row[name])}; legal is {what}, or null; correct it")


def _refuse(texts: Iterable[str], found: str, legal: str) -> None:
    if texts := sorted(texts):
        shown = ", ".join(excerpt(text) for text in texts[:NUM_NAMED])
        raise Incomplete(f"{found}: {shown} ({len(texts)} in all); legal is {legal}; judge the whole set again")
