"""The one door to the openai package: an OpenAI-compatible chat endpoint, named by the environment and never by a file.

OPENAI_BASE_URL (OpenAI's own where unset) and OPENAI_API_KEY are read here and nowhere else. A server's error text is never
passed on, because a server may repeat the key in it: a failure is a status, a code word and the name of an exception.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import openai

from winsweep.errors import BadStudy

NUM_RETRIES = 5  # of 408, 409, 429, 5xx and lost connections, each after Retry-After or 0.5 s doubling
TIMEOUT_S = 120.0
# Words of an error body that help and cannot be a key; no other word of it is repeated.
CODES = ("model_not_found", "invalid_api_key", "insufficient_quota", "rate_limit_exceeded", "context_length_exceeded")


@dataclass(frozen=True)
class Answer:
    """Either a choice of a chat completion as plain data, with `text`, or the reason why there is none."""

    choice: dict[str, Any] | None
    served_model: str = ""
    failure: str = ""


def connect() -> openai.OpenAI:
    """A client for the endpoint of the environment; BadStudy without a key."""
    if not os.environ.get("OPENAI_API_KEY"):
        legal = "legal is your key, or any word where a local endpoint wants none"
        raise BadStudy(f"OPENAI_API_KEY: not set; {legal}; type: export OPENAI_API_KEY=…")
    return openai.OpenAI(max_retries=NUM_RETRIES, timeout=TIMEOUT_S)


def ask_all(client: openai.OpenAI, requests: list[dict[str, Any]], num_in_flight: int) -> list[Answer]:
    """One Answer per request, in order; what fails is an Answer too, so that no paid answer is lost with it."""
    with ThreadPoolExecutor(num_in_flight) as pool:
        return list(pool.map(lambda request: ask(client, request), requests))


def ask(client: openai.OpenAI, request: dict[str, Any]) -> Answer:
    """The first choice that the endpoint returns for `request` (fields of a chat completion)."""
    try:
        completion = client.chat.completions.create(**request)
        choice = completion.choices[0].model_dump()
        return Answer(choice | {"text": _text(choice["message"])}, str(completion.model))
    except Exception as error:  # the body of an answer is whatever the server sent, so anything may come of reading it
        return Answer(None, failure=_reason(error))


def _text(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls")
    return calls[0]["function"]["arguments"] if calls else message.get("content") or ""


def _reason(error: Exception) -> str:
    name = type(error).__name__
    if not isinstance(error, openai.APIStatusError):
        return name if isinstance(error, openai.OpenAIError) else f"unreadable answer ({name})"
    return f"HTTP {error.status_code} {error.code if error.code in CODES else name}"
