"""The one door to the network for paid judges: an OpenAI-compatible chat endpoint, named by the environment and never
by a file.

OPENAI_BASE_URL (OpenAI's own where unset) and OPENAI_API_KEY are read here, and looked at by winsweep.check.environment
before anything is spent. A failure is a status, a code word, the name of an exception, and what winsweep.judge.words
leaves of a server's text, because a server may repeat the key in it.
"""

import datetime
import http.client
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import aiohttp

from winsweep.errors import BadStudy
from winsweep.judge import address, failure, replies, words
from winsweep.judge.address import ACCOUNT, OWN
from winsweep.judge.failure import PASSING, Failure
from winsweep.judge.limits import Limits
from winsweep.judge.prices import is_shut_down, price_of
from winsweep.judge.replies import Reply

FILE_BYTES, FILE_S = 4 << 30, 3600.0  # of a file that is fetched or sent, and how long that may take
FAULTS = (aiohttp.ClientError, TimeoutError, UnicodeError)  # the last for a proxy whose host is no name
LIST_S, LIST_BYTES = 10.0, 8 << 20  # of the list of models


def connect(model: str, limits: Limits) -> aiohttp.ClientSession:
    """Connections to the endpoint of the environment; BadStudy without a key, or where OpenAI has shut the model down.

    To be called, and used, in an event loop that runs.
    """
    where = address.read(os.environ)
    if (price := price_of(model)) and is_shut_down(model) and where.url.startswith(OWN):
        raise BadStudy(
            f"judge model {model}: OpenAI shut it down on {price.shut_down}; legal is a model that is served, such as "
            f"judge: gpt_6_luna or judge: {{from: alpaca, model: NAME}}, or an endpoint of your own in OPENAI_BASE_URL"
        )
    return aiohttp.ClientSession(
        where.url,
        headers={"Accept-Encoding": "identity", **where.headers},
        proxy=_proxy(where.url),
        timeout=aiohttp.ClientTimeout(limits.timeout_s),
        connector=_Connector(limit=limits.in_flight),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class _Connector(aiohttp.TCPConnector):
    """Connections on which nothing came since the last answer: it would be taken for the answer to the next request."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:  # noqa: ASYNC109
        found = await super().connect(req, traces, timeout)
        if found.protocol is None or found.protocol.should_close:
            found.close()
            raise aiohttp.ClientConnectionError("an answer that nobody asked for")
        return found


def path_of(name: str) -> str:
    """What stands behind the address for an interface such as chat/completions: Azure's version with it."""
    query = address.read(os.environ).query
    return name + (query.replace("?", "&", 1) if "?" in name else query)


def _proxy(url: str) -> str | None:
    """The proxy of the environment for `url`. aiohttp's own way also reads .netrc, whose entry for a host would stand
    against the key.
    """
    parts = urllib.parse.urlsplit(url)
    return None if urllib.request.proxy_bypass(parts.netloc) else urllib.request.getproxies().get(parts.scheme)


async def ask(session: aiohttp.ClientSession, request: Mapping[str, Any]) -> Reply | Failure:
    """What the endpoint says to `request` (fields of a chat completion), asked once; no redirect is followed, and no
    body read without end.
    """
    try:
        async with session.post(path_of("chat/completions"), json=request, allow_redirects=False) as answer:
            status, headers, body = answer.status, answer.headers, await _read(answer, replies.most_bytes(request))
    except FAULTS as error:
        return _unanswered(error)
    except _TooLong as error:
        return Failure("unreadable", str(error), do=failure.ADDRESS_DO)
    try:
        if not 200 <= status < 300:
            return failure.of_status(status, body, headers, secrets_of(session), request["model"])
        if words.repeats(body, secrets_of(session)[0], request["model"]):  # all of a reply is kept, and shown to others
            return Failure("unreadable", words.REPEATS, do=words.REPEATS_DO)
        return replies.reply(body)
    except Exception as error:  # the body of an answer is whatever the server sent, so anything may come of reading it
        return failure.of_body(error, body, secrets_of(session), request["model"])


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    model: str,
    send: Mapping[str, Any] | tuple[str, IO[bytes]] | None = None,
    into: IO[bytes] | None = None,
    most: int = LIST_BYTES,
) -> tuple[bytes, Mapping[str, str]] | Failure:
    """Body and headers of a success, or what the answer means. `send`: JSON, or a content type with a body; `into`: a
    file for the body, which may then be longer than `most` bytes.
    """
    body: dict[str, Any] = {"json": send} if isinstance(send, Mapping) else {"data": send[1]} if send else {}
    headers = {"Content-Type": send[0]} if isinstance(send, tuple) else {}
    each = session.timeout.total
    total = FILE_S if into or isinstance(send, tuple) else each
    silence = aiohttp.ClientTimeout(total, sock_connect=each, sock_read=each)
    try:
        async with session.request(
            method, path_of(path), headers=headers, allow_redirects=False, timeout=silence, **body
        ) as answer:
            if into and answer.status == 200:
                async for piece in answer.content.iter_any():
                    if into.write(piece) and into.tell() > FILE_BYTES:
                        raise _TooLong(f"a file of more than {FILE_BYTES >> 30} GiB")
                return b"", answer.headers
            said = await _read(answer, most)
    except FAULTS as error:
        return _unanswered(error)
    except _TooLong as error:
        return Failure("unreadable", str(error), do=failure.ADDRESS_DO)
    if 200 <= answer.status < 300:
        return said, answer.headers
    return failure.of_status(answer.status, said, answer.headers, secrets_of(session), model)


def _unanswered(error: Exception) -> Failure:
    """No connection, a lost one, or no answer in time: these pass; a certificate, a server that speaks no TLS and a
    proxy that refuses do not.
    """
    name = type(error).__name__
    if isinstance(error, UnicodeError):
        return Failure("refused", "the host of the proxy is no name", do=failure.PROXY_DO)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Failure(
            "refused", f"{name}: its certificate is not trusted", do=f"{failure.ADDRESS_DO}, or set SSL_CERT_FILE"
        )
    if isinstance(error, aiohttp.ClientConnectorSSLError) and "WRONG_VERSION_NUMBER" in str(error):
        return Failure("refused", f"{name}: it speaks no TLS", do=f"{failure.ADDRESS_DO}: http:// in place of https://")
    if isinstance(error, aiohttp.ClientHttpProxyError) and 400 <= error.status < 500 and error.status not in PASSING:
        return Failure("refused", f"HTTP {error.status} of the proxy", do=failure.PROXY_DO)
    return Failure("passing", name)


class _TooLong(Exception):
    """The server sent more than what was asked for can be."""


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, unpacked piece by piece as it comes; _TooLong once it has more than `most` bytes, as sent or
    unpacked.
    """
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if max(len(body), answer.content.total_compressed_bytes or 0) > most:
            raise _TooLong(f"an answer of more than {most >> 10} KiB, which is more than what was asked for")
    return bytes(body)


def secrets_of(session: aiohttp.ClientSession) -> list[str]:
    """What no log may have: the values of the headers that say who asks, the key first, and a proxy's password."""
    told = [
        session.headers[name].removeprefix("Bearer ")
        for name in ("Authorization", "api-key", *ACCOUNT)
        if name in session.headers
    ]
    proxies = urllib.request.getproxies()
    words_of = [urllib.parse.urlsplit(proxies[kind]).password for kind in ("http", "https") if kind in proxies]
    return told + [urllib.parse.unquote(word) for word in words_of if word]


@dataclass(frozen=True)
class Served:
    """What GET models says: whether the endpoint answers, whether it lists the model (None: it gives no list), the day
    its listing ends.
    """

    failure: Failure | None
    listed: bool | None
    ends: str = ""


async def served(session: aiohttp.ClientSession, model: str) -> Served:
    """Ask the endpoint which models it serves, which costs nothing; one that has no such list is taken to answer."""
    try:
        async with session.get(
            path_of("models"), allow_redirects=False, timeout=aiohttp.ClientTimeout(LIST_S)
        ) as answer:
            status, body = answer.status, await _read(answer, LIST_BYTES)
    except (
        aiohttp.ClientConnectorError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.ClientHttpProxyError,
        UnicodeError,
    ) as error:
        return Served(_unanswered(error), None)
    except (aiohttp.ClientError, TimeoutError, _TooLong):  # it is there, and knows nothing of lists
        return Served(None, None)
    if status in (401, 403) or 300 <= status < 400:
        told = f"HTTP {status} {http.client.responses.get(status, '')}".strip()
        return Served(Failure("refused", told, do="check OPENAI_API_KEY and OPENAI_BASE_URL"), None)
    try:
        listed = {str(m["id"]): m for m in json.loads(body)["data"]} if status == 200 else None
        return Served(
            None,
            None if listed is None else model in listed,
            _day(listed[model].get("shutdown_date")) if listed and model in listed else "",
        )
    except Exception:  # whatever the server sent, it answers
        return Served(None, None)


def _day(said: object) -> str:
    """A date as 2027-01-14 from one so written or from seconds since 1970; "" from anything else."""
    try:
        if isinstance(said, (int, float)):
            return datetime.datetime.fromtimestamp(said, datetime.UTC).date().isoformat()
        return datetime.date.fromisoformat(str(said)[:10]).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
