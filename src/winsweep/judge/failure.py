"""Why an endpoint gave no reply: whether that can pass by itself, and what to type if not."""

import email.utils
import http.client
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from winsweep.judge import words
from winsweep.judge.verdict import NO_LOGPROBS

# Words of an error body that stand for its status.
CODES = ("model_not_found", "invalid_api_key", "rate_limit_exceeded", "context_length_exceeded")
EMPTY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")  # as code or as type, also with 429
PASSING = (408, 409, 425, 429)  # and what is 500 or above: the same request may be answered later
LASTING = (501, 505)  # but for what a server does not know at all
# A limit of tokens a minute that is less than one request has: OpenAI's words, with status 429 and no code of its own.
TOO_LARGE = "request too large"
# Words of those that do not take what every request has: OpenAI's, those of its older models, pydantic's (vLLM).
PARAMETER = re.compile(
    r"un(supported|known|recognized)[ _](request )?(value|parameter|argument)|extra inputs", re.IGNORECASE
)
KEY_DO = "set OPENAI_API_KEY to a key that OPENAI_BASE_URL takes"
CREDIT_DO = "add credit to the account of OPENAI_API_KEY, or set another key"
RIGHT_DO = "set OPENAI_API_KEY to a key that may use the model, or name another model in judge:"
MODEL_DO = "name a model in judge: that the endpoint serves, or correct OPENAI_BASE_URL"
REQUEST_DO = "name a judge in judge: whose requests the endpoint takes, or take these instructions out of the study"
PARAMETER_DO = "name a judge in judge: whose parameters the model takes, or another model in it"
LONG_DO = "name a judge in judge: that reads longer prompts, or shorter answers by max_new_tokens: in decoding:"
MOST_REST_S = 86400.0  # a server that asks for more is asked again after a day
ADDRESS_DO = "correct OPENAI_BASE_URL"
PROXY_DO = "correct HTTPS_PROXY and HTTP_PROXY, or name the host in NO_PROXY"


@dataclass(frozen=True)
class Failure:
    """Why there is no reply, and what to type. Only `passing` may pass by itself; `refused`, `quota` and `budget` hold
    for every request.
    """

    kind: Literal["passing", "rejected", "unreadable", "refused", "quota", "budget"]
    told: str
    retry_after_s: float = 0.0
    do: str = ""


def of_status(status: int, body: bytes, headers: Mapping[str, str], secrets: list[str], model: str) -> Failure:
    """What an answer that is no success means; its words are the server's, less `secrets`."""
    code = _code(body)
    told = f"HTTP {status} {code or http.client.responses.get(status, '')}".strip()
    if code in EMPTY or status == 402:
        return Failure("quota", told, do=CREDIT_DO)
    if status in (401, 407):  # whose words are about the key
        return Failure("refused", told, do=KEY_DO if status == 401 else PROXY_DO)
    if 300 <= status < 400:
        return Failure(
            "refused",
            f"{told}, a redirect to {words.place(headers.get('location', ''), secrets)}, which is not followed",
            do="set OPENAI_BASE_URL to where the endpoint is",
        )
    said = words.of(body, secrets, model)
    told += f": {said}" if said else ""
    if status == 403:
        return Failure("refused", told, do=RIGHT_DO)
    if (status in PASSING or (status >= 500 and status not in LASTING)) and TOO_LARGE not in said.lower():
        return Failure("passing", told, retry_after(headers))
    return Failure("rejected", told, do=MODEL_DO if status == 404 else rejected_do(f"{code} {said}"))


def rejected_do(told: str) -> str:
    """What to type where an endpoint rejected a question with these words."""
    is_long = "context_length_exceeded" in told or "context length" in told.lower()  # OpenAI's; vLLM's has no code
    if is_long:
        return LONG_DO
    if re.search(r"log[-_ ]?prob", told, re.IGNORECASE):
        return NO_LOGPROBS
    return PARAMETER_DO if PARAMETER.search(told) else REQUEST_DO


def of_body(error: Exception, body: bytes, secrets: list[str], model: str) -> Failure:
    """What a success without a completion means; some servers send an error so, whose words are passed on."""
    said, told = words.of(body, secrets, model), f"unreadable answer ({type(error).__name__})"
    told += f": {said}" if said else ""
    return Failure("quota", told, do=CREDIT_DO) if _code(body) in EMPTY else Failure("unreadable", told, do=ADDRESS_DO)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks us to stay away: retry-after-ms (OpenAI's), or Retry-After in seconds or as a date
    (RFC 9110, 10.2.3).
    """
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        said = headers.get(name)
        if said is None:
            continue
        try:
            seconds = float(said) * unit_s
        except ValueError:
            seconds = _until(said)
        return min(MOST_REST_S, max(0.0, seconds)) if math.isfinite(seconds) else 0.0
    return 0.0


def _until(date: str) -> float:
    try:
        parsed = email.utils.parsedate_tz(date)
        return email.utils.mktime_tz(parsed) - time.time() if parsed else 0.0
    except (ValueError, OverflowError, TypeError):  # a year that no clock has
        return 0.0


def _code(body: bytes) -> str:
    """The word for an error in its body, if it is one that can be repeated; that for an empty purse first."""
    try:
        error = json.loads(body)["error"]
        said = [error.get(name) for name in ("code", "type")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return next((word for word in (*EMPTY, *CODES) if word in said), "")
