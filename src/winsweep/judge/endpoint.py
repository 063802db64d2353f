"""The one door to the network for paid judges: an OpenAI-compatible chat endpoint, named by the environment and never by a file.

OPENAI_BASE_URL (OpenAI's own where unset) and OPENAI_API_KEY are read here and nowhere else. A server's error text is never
passed on, because a server may repeat the key in it: a failure is a status, a code word and the name of an exception.
"""

import datetime
import email.utils
import http.client
import json
import math
import os
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from winsweep.errors import BadStudy
from winsweep.judge.limits import Limits
from winsweep.judge.prices import is_shut_down, price_of

OWN = "https://api.openai.com/"
ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}  # who pays, where a key belongs to several
# Words of an error body that help and cannot be a key; no other word of it is repeated.
CODES = ("model_not_found", "invalid_api_key", "insufficient_quota", "rate_limit_exceeded", "context_length_exceeded")
LIST_S, LIST_BYTES = 10.0, 8 << 20  # of the list of models
PASSING = (408, 409, 425, 429)  # and what is 500 or above: the same request may be answered later


@dataclass(frozen=True)
class Reply:
    """The first choice of a chat completion in plain types, with `text`; tokens of prompt and reply, if the server counts them."""

    choice: dict[str, Any]
    served_model: str
    tokens: tuple[int, int] | None


@dataclass(frozen=True)
class Failure:
    """Why there is no reply. `refused` and `quota` will not pass by themselves and hold for every request."""

    kind: Literal["passing", "rejected", "unreadable", "refused", "quota"]
    told: str
    retry_after_s: float = 0.0


def connect(model: str, limits: Limits) -> aiohttp.ClientSession:
    """Connections to the endpoint of the environment; BadStudy without a key, or where OpenAI has shut the model down.

    To be called, and used, in an event loop that runs.
    """
    key, url = os.environ.get("OPENAI_API_KEY", "").strip(), os.environ.get("OPENAI_BASE_URL") or f"{OWN}v1"
    if not key:
        legal = "legal is your key, or any word where a local endpoint wants none"
        raise BadStudy(f"OPENAI_API_KEY: not set; {legal}; type: export OPENAI_API_KEY=…")
    if is_shut_down(model) and url.startswith(OWN):
        raise BadStudy(f"judge model {model}: OpenAI shut it down on {price_of(model).shut_down}; legal is a model that is served, such as "
                       f"judge: gpt_6_luna or judge: {{from: alpaca, model: NAME}}, or an endpoint of your own in OPENAI_BASE_URL")
    headers = {"Authorization": f"Bearer {key}"} | {name: os.environ[v] for name, v in ACCOUNT.items() if os.environ.get(v)}
    return aiohttp.ClientSession(f"{url.rstrip('/')}/", headers=headers, proxy=_proxy(url), timeout=aiohttp.ClientTimeout(limits.timeout_s),
                                 connector=aiohttp.TCPConnector(limit=limits.in_flight))


def _proxy(url: str) -> str | None:
    """The proxy of the environment for `url`. aiohttp's own way also reads .netrc, whose entry for a host would stand against the key."""
    parts = urllib.parse.urlsplit(url)
    return None if urllib.request.proxy_bypass(parts.netloc) else urllib.request.getproxies().get(parts.scheme)


async def ask(session: aiohttp.ClientSession, request: Mapping[str, Any]) -> Reply | Failure:
    """What the endpoint says to `request` (fields of a chat completion), asked once."""
    try:
        async with session.post("chat/completions", json=request) as answer:
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:  # no connection, a lost one, or no answer in time
        return Failure("passing", type(error).__name__)
    try:
        return _reply(json.loads(body)) if answer.ok else _failure(answer.status, _code(body), answer.headers)
    except Exception as error:  # the body of an answer is whatever the server sent, so anything may come of reading it
        return Failure("unreadable", f"unreadable answer ({type(error).__name__})")


def _reply(body: Any) -> Reply:
    choice = body["choices"][0]
    message, logprobs = choice["message"], choice.get("logprobs")
    kept = {"index": 0, "finish_reason": choice.get("finish_reason"), "logprobs": logprobs, "message": message, "text": _text(message)}
    usage = body.get("usage") or {}
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Reply(kept, str(body.get("model", "")), counts if all(isinstance(n, int) and n >= 0 for n in counts) else None)


def _text(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    return str(calls[0]["function"]["arguments"] if calls else message.get("content") or "")


def _code(body: bytes) -> str:
    """The word for an error in its body, if it is one that can be repeated."""
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return ""
    return code if code in CODES else ""


def _failure(status: int, code: str, headers: Mapping[str, str]) -> Failure:
    told = f"HTTP {status} {code or http.client.responses.get(status, '')}".strip()
    if code == "insufficient_quota" or status == 402:
        return Failure("quota", told)
    if status in (401, 403):
        return Failure("refused", told)
    if status in PASSING or status >= 500:
        return Failure("passing", told, _retry_after(headers))
    return Failure("rejected", told)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks us to stay away: retry-after-ms (OpenAI's), or Retry-After in seconds or as a date (RFC 9110, 10.2.3)."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        said = headers.get(name)
        if said is None:
            continue
        try:
            seconds = float(said) * unit_s
        except ValueError:
            parsed = email.utils.parsedate_tz(said)
            seconds = email.utils.mktime_tz(parsed) - time.time() if parsed else 0.0
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    return 0.0


@dataclass(frozen=True)
class Served:
    """What GET models says: whether the endpoint answers, whether it lists the model (None: it gives no list), the day its listing ends."""

    failure: Failure | None
    listed: bool | None
    ends: str = ""


async def served(session: aiohttp.ClientSession, model: str) -> Served:
    """Ask the endpoint which models it serves, which costs nothing; one that has no such list is taken to answer."""
    try:
        async with session.get("models", allow_redirects=False, timeout=aiohttp.ClientTimeout(LIST_S)) as answer:
            status, body = answer.status, await _at_most(answer, LIST_BYTES)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        return Served(Failure("passing", type(error).__name__), None)
    except (aiohttp.ClientError, TimeoutError):  # it is there, and knows nothing of lists
        return Served(None, None)
    if status in (401, 403) or 300 <= status < 400:
        return Served(Failure("refused", f"HTTP {status} {http.client.responses.get(status, '')}".strip()), None)
    try:
        listed = {str(m["id"]): m for m in json.loads(body)["data"]} if status == 200 else None
        return Served(None, None if listed is None else model in listed, _day(listed[model].get("shutdown_date")) if listed and model in listed else "")
    except Exception:  # whatever the server sent, it answers
        return Served(None, None)


async def _at_most(answer: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > most:
            break
    return bytes(body)


def _day(said: object) -> str:
    """A date as 2027-01-14 from one so written or from seconds since 1970; "" from anything else."""
    try:
        if isinstance(said, (int, float)):
            return datetime.datetime.fromtimestamp(said, datetime.UTC).date().isoformat()
        return datetime.date.fromisoformat(str(said)[:10]).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
