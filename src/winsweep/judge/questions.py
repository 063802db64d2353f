"""Which of two outputs a judge is shown first, and what its answers make of a pair: AlpacaEval 2's order rule, both
orders, ties.
"""

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

from winsweep.amounts import plural

Order = Literal["hash", "reference_first", "both"]
TIE = 1.5
AND = " and "  # between what the questions of one row were told
NUM_NAMED = 5  # names that a note spells out


@dataclass(frozen=True)
class Question:
    """Which of two outputs answers the instruction better, in the order in which the judge sees them."""

    instruction: str
    first: str
    second: str
    sample: int = 0  # which of several verdicts on the same

    def key(self, judge: str) -> str:
        """sha256 that names this question to a judge (the digest of its identity), whoever asks it and whichever side
        is the candidate's.
        """
        what = [judge, self.instruction, self.first, self.second, *([self.sample] if self.sample else [])]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()


@dataclass(frozen=True)
class Judgement:
    """What a judge said to a question."""

    preference: float  # 1: the output shown first wins … 2: the one shown second; what lies between is a probability
    raw: dict[str, Any]  # the reply as it came, in JSON types
    served_model: str = ""  # as the endpoint calls it
    date: str = ""  # UTC, ISO 8601
    tokens: tuple[int, int] = (0, 0)  # of prompt and reply
    fingerprint: str = ""  # of what runs behind the model's name, where the endpoint gives one


class Shown(NamedTuple):
    question: Question
    candidate_first: bool


def ask_about(pair: dict[str, Any], order: Order, samples: int = 1) -> list[Shown]:
    """The questions whose answers decide a pair (output_1 is the reference's): none for identical outputs, which tie;
    both orders with the reference first; else one. Each is there as often as there are `samples`.
    """
    instruction, reference, candidate = pair["instruction"], pair["output_1"], pair["output_2"]
    if reference == candidate:
        return []
    both = [
        Shown(Question(instruction, reference, candidate), False),
        Shown(Question(instruction, candidate, reference), True),
    ]
    found = both if order == "both" else [both[order == "hash" and is_candidate_first(instruction)]]
    return [Shown(replace(s.question, sample=n), s.candidate_first) for s in found for n in range(samples)]


def is_candidate_first(instruction: str) -> bool:
    """The order of alpaca_eval 0.6.6 with seed 0: a coin whose seed is a text with the instruction in it."""
    return random.Random(f"is_switched_outputs{instruction}0").choices([False, True], k=1)[0]


def decide(shown: list[Shown], said: list[Judgement]) -> dict[str, Any]:
    """The fields of an annotation row that judgements give, on AlpacaEval's scale (2: the candidate wins).

    `raw_completion` is the reply, or None for a tie without a question; of several questions, the list of all. Asked
    in both orders, `preferences_by_order` has the preference with the reference shown first and with the candidate
    shown first; `preference` is their mean. Of several samples each is a mean, and
    `preference_standard_error` says how far the preference may be off by that.
    """
    if not said:
        return {"preference": TIE, "raw_completion": None, "served_model": "", "date": ""}
    each = [3 - j.preference if s.candidate_first else j.preference for s, j in zip(shown, said, strict=True)]
    groups = [[p for s, p in zip(shown, each) if s.candidate_first == side] for side in (False, True)]
    orders = [fmean(group) for group in groups if group]
    prints = dict.fromkeys(j.fingerprint for j in said if j.fingerprint)
    return {
        "preference": fmean(orders),
        **({"preferences_by_order": orders} if len(orders) == 2 else {}),
        **(_spread([group for group in groups if group]) if len(said) > len(orders) else {}),
        "raw_completion": said[0].raw if len(said) == 1 else [j.raw for j in said],
        "served_model": AND.join(dict.fromkeys(j.served_model for j in said)),
        "date": max(j.date for j in said),
        **({"system_fingerprint": AND.join(prints)} if prints else {}),
    }


def _spread(groups: list[list[float]]) -> dict[str, Any]:
    """The standard error of the mean of the orders' means, by the verdicts of each order."""
    errors = [stdev(group) ** 2 / len(group) for group in groups]
    return {"preference_standard_error": math.sqrt(sum(errors)) / len(groups)}


def served_models(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The models that an endpoint said had answered, each with its number of annotation rows; ties without a question
    have none, and a row of several questions counts for each model that answered one.
    """
    return _said(rows, "served_model")


def _said(rows: Iterable[Mapping[str, Any]], field: str) -> dict[str, int]:
    """What `decide` joined by AND, with the number of rows that have it."""
    texts = (row.get(field) for row in rows)
    each = (name for text in texts if isinstance(text, str) for name in dict.fromkeys(text.split(AND)) if name)
    return dict(sorted(Counter(each).items()))


def drift(rows: Iterable[Mapping[str, Any]]) -> str:
    """A note where the model behind a name changed while it judged, by its name or its fingerprint, or nothing."""
    rows = list(rows)
    found = served_models(rows)
    prints = _said(rows, "system_fingerprint")
    notes = [f"the endpoint served {len(found)} models under one name: {_counted(found)}"] * (len(found) > 1)
    several = f"the endpoint's fingerprint of the model changed while it judged: {_counted(prints)}"
    return "; ".join([*notes, *([several] if len(prints) > 1 else [])])


def _counted(found: Mapping[str, int]) -> str:
    told = [f"{name} ({plural(num, 'row')})" for name, num in sorted(found.items())]
    return ", ".join(told[:NUM_NAMED]) + (f" and {len(told) - NUM_NAMED} more" if len(told) > NUM_NAMED else "")


def sampled(rows: Iterable[Mapping[str, Any]]) -> str:
    """A note where verdicts were sampled, or nothing."""
    found = [
        (str(row.get("samples", "")), e) for row in rows if (e := row.get("preference_standard_error")) is not None
    ]
    if not found:
        return ""
    num = " or ".join(sorted({num for num, _ in found}))
    error = fmean(error for _, error in found)
    return (
        f"verdicts were sampled, {num} for each order of a pair: a preference is off by {error:.2f} on average by that"
    )
