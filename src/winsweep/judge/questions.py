"""Which of two outputs a judge is shown first, and what its answers make of a pair: AlpacaEval 2's order rule, both
orders, ties.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Order = Literal["hash", "reference_first", "both"]
TIE = 1.5


@dataclass(frozen=True)
class Question:
    """Which of two outputs answers the instruction better, in the order in which the judge sees them."""

    instruction: str
    first: str
    second: str

    def key(self, judge: str) -> str:
        """sha256 that names this question to a judge (the digest of its identity), whoever asks it and whichever side
        is the candidate's.
        """
        return hashlib.sha256(json.dumps([judge, self.instruction, self.first, self.second]).encode()).hexdigest()


@dataclass(frozen=True)
class Judgement:
    """What a judge said to a question."""

    preference: float  # 1: the output shown first wins … 2: the one shown second; what lies between is a probability
    raw: dict[str, Any]  # the reply as it came, in JSON types
    served_model: str = ""  # as the endpoint calls it
    date: str = ""  # UTC, ISO 8601
    tokens: tuple[int, int] = (0, 0)  # of prompt and reply


class Shown(NamedTuple):
    question: Question
    candidate_first: bool


def ask_about(pair: dict[str, Any], order: Order) -> list[Shown]:
    """The questions whose answers decide a pair (output_1 is the reference's): none for identical outputs, which tie;
    both orders with the reference first; else one.
    """
    instruction, reference, candidate = pair["instruction"], pair["output_1"], pair["output_2"]
    if reference == candidate:
        return []
    both = [
        Shown(Question(instruction, reference, candidate), False),
        Shown(Question(instruction, candidate, reference), True),
    ]
    return both if order == "both" else [both[order == "hash" and is_candidate_first(instruction)]]


def is_candidate_first(instruction: str) -> bool:
    """The order of alpaca_eval 0.6.6 with seed 0: a coin whose seed is a text with the instruction in it."""
    return random.Random(f"is_switched_outputs{instruction}0").choices([False, True], k=1)[0]


def decide(shown: list[Shown], said: list[Judgement]) -> dict[str, Any]:
    """The fields of an annotation row that judgements give, on AlpacaEval's scale (2: the candidate wins).

    `raw_completion` is the reply, or None for a tie without a question. Asked in both orders, it is the list of both
    replies, and `preferences_by_order` has the preference with the reference shown first and with the candidate shown
    first; `preference` is their mean.
    """
    if not said:
        return {"preference": TIE, "raw_completion": None, "served_model": "", "date": ""}
    each = [3 - j.preference if s.candidate_first else j.preference for s, j in zip(shown, said, strict=True)]
    last = {
        "served_model": " and ".join(dict.fromkeys(j.served_model for j in said)),
        "date": max(j.date for j in said),
    }
    if len(said) == 1:
        return {"preference": each[0], "raw_completion": said[0].raw, **last}
    return {"preference": sum(each) / 2, "preferences_by_order": each, "raw_completion": [j.raw for j in said], **last}


def served_models(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The models that an endpoint said had answered, each with its number of annotation rows; ties without a question
    have none.
    """
    names = (row.get("served_model") for row in rows)
    return dict(sorted(Counter(name for name in names if isinstance(name, str) and name).items()))


def drift(rows: Iterable[Mapping[str, Any]]) -> str:
    """A note where the model behind a name changed while it judged, or nothing."""
    found = served_models(rows)
    told = ", ".join(f"{name} ({num} row{'s' if num > 1 else ''})" for name, num in found.items())
    return f"the endpoint served {len(found)} models under one name: {told}" if len(found) > 1 else ""
