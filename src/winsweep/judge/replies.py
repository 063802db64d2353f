"""What the body of an answer is taken for: strict JSON (RFC 8259) with one chat completion in it, of numbers and texts
that can be kept.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from winsweep.judge import words
from winsweep.judge.verdict import UNLIKELY

DIGITS = 20  # of a whole number; more is no count, and no logarithm of a probability
MOST_TOKENS = 10**7  # of one call; no model has room for as many
NAME_CHARS = 200
# How long a body may be: for the frame, and for each token of the reply and each alternative to it (a text, its bytes
# and its logarithm).
FRAME_BYTES, BYTES_PER_TOKEN = 1 << 18, 512
TOKENS_UNSAID = 4096


@dataclass(frozen=True)
class Reply:
    """The first choice of a chat completion in plain types, with `text`; tokens of prompt and reply, if the server
    counts them.
    """

    choice: dict[str, Any]
    served_model: str
    tokens: tuple[int, int] | None
    fingerprint: str = ""


def most_bytes(request: Mapping[str, Any]) -> int:
    """How long the answer to a request may be at most, by what it asks for."""
    tokens = request.get("max_completion_tokens") or request.get("max_tokens") or TOKENS_UNSAID
    return FRAME_BYTES + BYTES_PER_TOKEN * tokens * (1 + (request.get("top_logprobs") or 0))


def reply(body: bytes) -> Reply:
    """The completion in a body; it raises whatever a body makes it raise."""
    return completion(strict_json(body))


def strict_json(text: bytes) -> Any:
    """What JSON says that is strict as above; it raises whatever the text makes it raise."""
    return json.loads(
        text.decode(), object_pairs_hook=_mapping, parse_constant=_float, parse_float=_float, parse_int=_int
    )


def completion(found: Any) -> Reply:
    """The completion that JSON says; it raises whatever that makes it raise."""
    choice = found["choices"][0]
    message, logprobs = choice["message"], choice.get("logprobs")
    kept = {
        "index": 0,
        "finish_reason": choice.get("finish_reason"),
        "logprobs": logprobs,
        "message": message,
        "text": _text(message),
    }
    served, behind = _name(found.get("model")), _name(found.get("system_fingerprint"))
    return Reply(kept, served, _tokens(found.get("usage")), behind)


def _name(said: Any) -> str:
    return words.clean(said, longest=NAME_CHARS) if isinstance(said, str) else ""


def _tokens(usage: Any) -> tuple[int, int] | None:
    if not isinstance(usage, dict):
        return None
    prompt, reply = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(reply) is not int:  # a bool is no number
        return None
    # a prompt of no tokens is what servers say that do not count, and a budget would never be used up
    return (prompt, reply) if 0 < prompt <= MOST_TOKENS and 0 <= reply <= MOST_TOKENS else None


def _text(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    return str(calls[0]["function"]["arguments"] if calls else message.get("content") or "")


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _float(text: str) -> float:
    """A finite number; minus infinity is what some servers write for a token that cannot come, for which the protocol
    has -9999.
    """
    value = float(text)
    if value == -math.inf:
        return UNLIKELY
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    return value


def _int(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError("a number of too many digits")
    return int(text)
