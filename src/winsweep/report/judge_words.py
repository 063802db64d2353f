"""What a judge said to a pair, and which output it was shown first, as a reader of answers shows it."""

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from winsweep import plugins
from winsweep.judge.questions import is_candidate_first
from winsweep.study.cell import Judge

NUM_TOKENS, LONGEST = 5, 20_000  # of a reply: likeliest first tokens, and characters that are kept
FIRST = ("reference", "candidate", "both")


def order_of(judge: Judge) -> str:
    """The judge's rule of which output is shown first; "" where it has none or does not say."""
    try:
        return _order(judge)
    except Exception:  # judges of a person's own may do anything; those that compare letters have no order
        return ""


@functools.cache  # as it may read files, and all cells of a study have the same judge
def _order(judge: Judge) -> str:
    module = plugins.known(plugins.JUDGES, judge.name, judge.code)
    return str(module.judge(judge.options).order)


def shown_first(order: str) -> Callable[[Mapping[str, Any]], str]:
    """Which output of an annotation row the judge saw first: one of FIRST, or "" if that is not known or none was
    asked for.
    """

    def first(row: Mapping[str, Any]) -> str:
        if row.get("raw_completion") is None:
            return ""
        if row.get("preferences_by_order") is not None or order == "both":
            return "both"
        if order == "reference_first":
            return "reference"
        return ("candidate" if is_candidate_first(row["instruction"]) else "reference") if order == "hash" else ""

    return first


def words(raw: Any) -> list[dict[str, Any]]:
    """A judge's replies, in the order of the questions: `text`, and `tokens` with the probabilities of the likeliest
    beginnings where the endpoint gave them. None for a pair that it was not asked about.
    """
    if raw is None or raw == "":
        return []
    return [_reply(each) for each in raw] if isinstance(raw, list) else [_reply(raw)]


def _reply(raw: Any) -> dict[str, Any]:
    text = _text(raw)
    if isinstance(raw, Mapping) and isinstance(raw.get("judge"), str):  # of a jury, which says who
        text = f"{raw['judge']}: {text}"
    found = {"text": text if len(text) <= LONGEST else f"{text[:LONGEST]}…"}
    tokens = _tokens(raw)
    return {**found, "tokens": tokens} if tokens else found


def _text(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if not isinstance(raw, Mapping):
        return _json(raw)
    message = raw.get("message")
    inside = message.get("content") if isinstance(message, Mapping) else None
    reasons = message.get("reasoning_content") if isinstance(message, Mapping) else None
    said = next((t for t in (raw.get("text"), inside) if isinstance(t, str)), None)
    if said is None:
        return _json(raw)
    return f"{reasons}\n\n{said}" if isinstance(reasons, str) and reasons else said


def _tokens(raw: Any) -> list[tuple[str, float]]:
    """The likeliest first tokens and their probabilities; nothing where a reply has no such list."""
    try:
        tops: Sequence[Mapping[str, Any]] = raw["logprobs"]["content"][0]["top_logprobs"]
        found = [(str(t["token"]), math.exp(min(0.0, float(t["logprob"])))) for t in tops]
    except (LookupError, TypeError, ValueError, AttributeError):
        return []
    return [(token, round(p, 6)) for token, p in sorted(found, key=lambda t: -t[1])[:NUM_TOKENS] if p >= 1e-6]


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, indent=1)
    except (TypeError, ValueError, RecursionError):
        return repr(value)
