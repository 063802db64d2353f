"""What an endpoint says of a request that it refused, as a log may have it: one line of its own words, without secrets
or control characters.
"""

import base64
import json
import re
import unicodedata
import urllib.parse
from collections.abc import Collection, Iterator
from typing import Any

LONGEST, MOST_READ = 240, 1200  # characters that are passed on, and that are looked at
GRAM = 8  # so many characters in a row of a secret give a word away
SHORTEST_KEY = 16  # characters
REPEATS = "an answer that repeats OPENAI_API_KEY, which is kept nowhere"
REPEATS_DO = "name an endpoint in OPENAI_BASE_URL that does not send back what it is sent"
GONE = "[removed]"
# What looks like a credential, whosever: by its name, by the stars that hide its middle, or as a long run of letters
# and digits.
LIKE_A_SECRET = re.compile(
    r"(?i)\b(?:bearer|basic)\s+\S+|\b(?:sk|pk|rk|org|proj|hf)[-_]\S{4,}"
    r"|\b(?:api[-_ ]?key|authorization|token|password)\s*[=:]\s*\S+"
    r"|\S*\*{3,}\S*|(?<=//)[^/\s@]+@|(?=[a-z+=]*\d)(?=[\d+=]*[a-z])[a-z\d+=]{20,}"
)


def of(body: bytes, secrets: Collection[str], model: str) -> str:
    """The message in the body of an error; empty where there is none, or where it may give a secret away. `model`, as
    asked for, stays in it.
    """
    text = body[:MOST_READ].decode("utf-8", "replace")
    try:
        text = _message(json.loads(body.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        text = "" if text.lstrip().startswith(("<", "{", "[")) else text
    return clean(text, secrets, model)


def repeats(said: bytes, key: str, model: str) -> bool:
    """Whether what an endpoint says has our key in it, as some proxies send back what they were sent; not for a key
    that is a plain word, which a local endpoint may use by itself.
    """
    is_plain = len(key) < SHORTEST_KEY or key in model
    return not is_plain and any(key.encode() in text for text in (said, said.replace(b"\\/", b"/")))


def place(location: str, secrets: Collection[str]) -> str:
    """Where a redirect points, without user, query and fragment."""
    try:
        parts = urllib.parse.urlsplit(location)
        return (
            clean(urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")), secrets)
            or "nowhere"
        )
    except ValueError:
        return "what is no address"


def clean(text: str, secrets: Collection[str] = (), model: str = "", longest: int = LONGEST) -> str:
    """`text` on one line of at most `longest` characters that a terminal shows as they are, without `secrets` and what
    looks like one.
    """
    plain = unicodedata.normalize("NFKC", text[:MOST_READ])[:MOST_READ]  # one character may become 18
    line = " ".join("".join(filter(_is_shown, plain)).split())
    secrets = [s for s in secrets if len(s) >= 4 and s != model]
    if secrets:
        keeps = model and not any(g in model.lower() for s in secrets for g in _grams(s))
        line = model.join(_without(piece, secrets) for piece in line.split(model)) if keeps else _without(line, secrets)
    if any(_squeezed(form) in _squeezed(line) for s in secrets if len(_squeezed(s)) >= GRAM for form in _forms(s)):
        return ""
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _message(found: Any) -> str:
    """The words of OpenAI's, vLLM's, FastAPI's and other servers' errors, and the parameter where it is named apart."""
    error = found.get("error", found) if isinstance(found, dict) else found
    if isinstance(error, list):
        return "; ".join(filter(None, map(_message, error[:3])))
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    said = next((error[name] for name in ("message", "msg", "detail", "code") if error.get(name)), "")
    text = said if isinstance(said, str) else _message(said)
    at = error.get("param") or error.get("loc")
    name = ".".join(map(str, at)) if isinstance(at, list) else at if isinstance(at, str) else ""
    return f"{name}: {text}" if name and name not in text else text


def _is_shown(char: str) -> bool:
    return char.isspace() or unicodedata.category(char)[0] != "C"


def _without(text: str, secrets: Collection[str]) -> str:
    text = LIKE_A_SECRET.sub(GONE, text)
    for secret in secrets:
        text = re.sub(rf"(?i)(?<!\w){re.escape(secret)}(?!\w)", GONE, text)
    grams = {gram for secret in secrets for gram in _grams(secret)}
    return re.sub(r"\S+", lambda word: GONE if any(gram in word[0].lower() for gram in grams) else word[0], text)


def _grams(secret: str) -> Iterator[str]:
    return (secret[i : i + GRAM].lower() for i in range(len(secret) - GRAM + 1))


def _forms(secret: str) -> Iterator[str]:
    """A secret as a server may have written it down."""
    yield from (secret, secret[::-1], secret.encode().hex(), urllib.parse.quote(secret, safe=""))
    yield from (base64.b64encode(f"{before}{secret}".encode()).decode().rstrip("=")[:-2] for before in ("", "Bearer "))


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()
