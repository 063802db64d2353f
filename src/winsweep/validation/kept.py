"""The card that a store keeps of a judge, or why what lies there is none: another user may have written anything."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from winsweep import keys
from winsweep.errors import LinkInStore
from winsweep.judge import ledger
from winsweep.study.cell import Judge
from winsweep.validation import card as cards
from winsweep.validation import words

MOST, MOST_DEEP = 1e9, 12
PARTS = ("format", "judge", "version", "identity", "made", "check", "votes")  # whatever else there is, nobody reads
SHARES = ("share", "q0", "q1")
TRUTHS = ("beaten", "is_symmetric")


def find(store: Path, judge: Judge, identity: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The card of a judge and why there is none; neither where nothing lies in its place. What is given back is this
    judge's, can be said in words, and its numbers are in range.
    """
    try:
        found = cards.read(cards.place(store, judge, identity))
        if found is None:
            return None, ""
        why = next(_wrong(found, judge, identity), "")
    except (OSError, ValueError, RecursionError, LinkInStore) as error:
        found, why = None, str(error)[:200] or type(error).__name__
    if why or not isinstance(found, dict):
        return None, why
    return {name: found[name] for name in PARTS if name in found}, ""


def _wrong(card: object, judge: Judge, identity: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(card, dict) or card.get("format") != cards.FORMAT:
        yield f"it is not of format {cards.FORMAT}"
        return
    if (card.get("judge"), card.get("version")) != (judge.name, judge.version):
        yield f"it is of the judge {card.get('judge')!r:.60}, version {card.get('version')!r:.20}"
    given = card.get("identity")
    if not isinstance(given, dict) or _who(judge, given) != _who(judge, keys.plain(dict(identity))):
        yield "it is of a judge of another identity"
    votes = card.get("votes")
    if not isinstance(card.get("check"), dict) or not isinstance(votes, (dict, type(None))):
        yield "it has no check, or votes that are none"
        return
    yield from _numbers({"check": card["check"], "votes": votes}, "", 0)
    source = (votes or {}).get("source", [])
    if not isinstance(source, list) or not all(isinstance(s, dict) for s in source):
        yield f"votes.source is {source!r:.40}"
    if not isinstance(card.get("made", ""), str):
        yield "made is no text"
    if not words.is_readable(card, judge.options):
        yield "its figures cannot be read"


def _who(judge: Judge, identity: Mapping[str, Any]) -> Any:
    """What of an identity says who answers, as its ledger has it; a card has figures of both orders."""
    return json.loads(json.dumps(ledger.place(Path(), judge.name, judge.version, identity)[1]))


def _numbers(value: object, name: str, depth: int) -> Iterator[str]:
    """What is wrong with the numbers of a part of a card, and how deep it is."""
    if depth > MOST_DEEP:
        yield "it is nested too deep"
    elif isinstance(value, dict):
        is_share = "share" in value
        for key, inner in value.items():
            yield from _numbers(inner, "share" if is_share and key in ("low", "high") else key, depth + 1)
        if value.get("is_symmetric") and value.get("q0") != value.get("q1"):
            yield "q0 and q1 differ in a symmetric calibration"
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner, name, depth + 1)
    elif isinstance(value, bool):
        if name not in TRUTHS:
            yield f"{name:.40} is {value}"
    elif isinstance(value, (int, float)) and not _is_legal(value, name):
        yield f"{name:.40} is {value!r:.40}"
    elif isinstance(value, str) and name in (*SHARES, "low", "high", "value", "num", "n0", "n1"):
        yield f"{name:.40} is a text"


def _is_legal(value: float, name: str) -> bool:
    if name in SHARES:
        return 0 <= value <= 1
    if name in ("value", "low", "high"):  # kappa and gain: from -1, an end of an interval a little less
        return -MOST < value <= 1 if name != "high" else -1 <= value < MOST
    return 0 <= value < MOST and math.isfinite(value)
