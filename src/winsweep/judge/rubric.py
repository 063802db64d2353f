"""A judge's prompt of a person's own: a text with {instruction}, {a} and {b}, and how a verdict is read from the
reply.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from winsweep.errors import BadStudy
from winsweep.judge.chat import ChatJudge
from winsweep.judge.configuration import sha256
from winsweep.judge.verdict import bracketed, weigh

Verdict = Literal["logprobs", "text"]
PLACES = {"{instruction}": "{instruction}", "{a}": "{output_1}", "{b}": "{output_2}"}  # ours: those of a ChatJudge
PLACE = re.compile("|".join(map(re.escape, PLACES)))
TAKEN = ("{output_1}", "{output_2}")
ONE_TOKEN = {"max_completion_tokens": 1, "temperature": 1.0, "logprobs": True, "top_logprobs": 5}


def refuse(prompt: str, names: Sequence[str], verdict: Verdict) -> None:
    """BadStudy for a prompt that lacks a place, or does not say how to answer."""
    legal = "legal is a text with {instruction}, {a} and {b} in it, the answer shown first and the other"
    if missing := [place for place in PLACES if place not in prompt]:
        raise BadStudy(f"prompt: it does not hold {' and '.join(missing)}; {legal}; write them into the file")
    if taken := [place for place in TAKEN if place in prompt]:
        raise BadStudy(f"prompt: found {taken[0]}; {legal}; write {'{a}' if taken[0] == TAKEN[0] else '{b}'}")
    if len(names) != 2 or names[0] == names[1] or any(not n or n != n.strip() for n in names):
        raise BadStudy(f"names: found {list(names)}; two different words are legal; type names: [A, B]")
    wanted = names if verdict == "logprobs" else ("[[A]]", "[[B]]")
    if unsaid := [name for name in wanted if name not in prompt]:
        raise BadStudy(
            f"prompt: it does not say {unsaid[0]}, so a judge cannot know how to answer; legal is one that asks "
            f"for {wanted[0]} if the answer at {{a}} is better and {wanted[1]} if the other is; "
            "write that into the file"
        )


def messages(prompt: str) -> tuple[tuple[str, str], ...]:
    """The prompt as a user's turn, its places named as a ChatJudge has them."""
    return (("user", PLACE.sub(lambda found: PLACES[found[0]], prompt)),)


def weighed(prompt: str, names: Sequence[str], identity: Mapping[str, str], request: Mapping[str, Any]) -> ChatJudge:
    """A judge whose first token is weighed: `names` of the answers at {a} and at {b}."""
    first, second = names
    known = known_by(prompt, {"names": [first, second], **request}) | dict(identity)
    return ChatJudge(
        known, messages(prompt), request, "hash", lambda choice: weigh(choice, first, second), (first, second)
    )


def written(prompt: str, identity: Mapping[str, str], request: Mapping[str, Any]) -> ChatJudge:
    """A judge whose reply ends with [[A]], [[B]] or, for a tie, [[C]]."""
    return ChatJudge(known_by(prompt, request) | dict(identity), messages(prompt), request, "hash", bracketed)


def known_by(prompt: str, said: Mapping[str, Any]) -> dict[str, str]:
    return {"prompt_sha256": sha256(prompt), "config_sha256": sha256(json.dumps(said, sort_keys=True))}
