"""What the endpoint is asked about batches, in the protocol of OpenAI's Batch API, and what its answers say."""

import io
import itertools
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from winsweep.judge import endpoint, failure, words
from winsweep.judge.batch_files import ENDPOINT
from winsweep.judge.failure import Failure

METADATA = "winsweep"  # under which a batch has its token
PAGE, PAGES = 100, 100  # batches that one list has, and lists that are read at most
CLOCK_S = 86400.0  # how far the endpoint's clock may be from ours
UNLISTED = "the endpoint's list of batches cannot be read to its end"
OVER = ("completed", "failed", "expired", "cancelled")
API_DO = "name an endpoint with a Batch API in OPENAI_BASE_URL, or take batch: true out of limits"
ENQUEUED = ("token_limit_exceeded", "enqueued token")  # more than the account may have waiting at once
Session = Any  # of endpoint.connect


@dataclass(frozen=True)
class Status:
    """A batch as the endpoint tells of it."""

    batch: str
    status: str
    completed: int
    failed: int
    files: tuple[str, ...]  # of output and errors
    errors: tuple[tuple[str, int | None, str], ...]  # why it was refused: code, line of the input (from 1), words
    retry_after_s: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.status in OVER


async def upload(session: Session, model: str, lines: Iterable[bytes]) -> str | Failure:
    """The name of the file that the lines are now at the endpoint; one that no batch uses costs nothing."""
    mark = secrets.token_hex(16)
    part = f'--{mark}\r\nContent-Disposition: form-data; name="'
    body = io.BytesIO()
    body.write(f'{part}purpose"\r\n\r\nbatch\r\n{part}file"; filename="requests.jsonl"\r\n'.encode())
    body.write(b"Content-Type: application/jsonl\r\n\r\n")
    body.writelines(line + b"\n" for line in lines)
    body.write(f"\r\n--{mark}--\r\n".encode())
    body.seek(0)
    said = await endpoint.exchange(session, "POST", "files", model, (f"multipart/form-data; boundary={mark}", body))
    found = _mapping(said, session, model)
    return found if isinstance(found, Failure) else _name(found)


async def create(session: Session, model: str, input_file: str, token: str) -> Status | Failure:
    """Ask for a batch, once; whether one was made is not known after a failure that may pass."""
    asked = {
        "input_file_id": input_file,
        "endpoint": ENDPOINT,
        "completion_window": "24h",
        "metadata": {METADATA: token},
    }
    return await _status(session, model, "POST", "batches", asked)


async def look(session: Session, model: str, batch: str) -> Status | Failure:
    return await _status(session, model, "GET", f"batches/{batch}")


async def cancel(session: Session, model: str, batch: str) -> Status | Failure:
    return await _status(session, model, "POST", f"batches/{batch}/cancel", {})


async def find(session: Session, model: str, token: str, input_file: str, since: float) -> str | Failure | None:
    """The name of the batch with this token or of this file, made after `since` (seconds since 1970); None only if the
    endpoint's list was read to its end, or to what is older, and has none.
    """
    after, times = "", list[Any]()
    for _ in range(PAGES):
        said = await endpoint.exchange(session, "GET", f"batches?limit={PAGE}{after}", model)
        found = _mapping(said, session, model)
        if isinstance(found, Failure):
            return found
        listed, has_more = found.get("data"), found.get("has_more")
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            return Failure("passing", UNLISTED, do=API_DO)
        if (mine := next((each for each in listed if _is_of(each, token, input_file)), None)) is not None:
            return _listed_name(mine)
        times += [each.get("created_at") for each in listed]
        if has_more is False or _is_past(times, since - CLOCK_S):
            return None
        last = _listed_name(listed[-1]) if has_more is True and listed else Failure("passing", UNLISTED, do=API_DO)
        if isinstance(last, Failure):
            return last
        after = f"&after={last}"
    return Failure("passing", f"the endpoint has more than {PAGES} pages of batches since then", do=API_DO)


def _is_of(listed: Mapping[str, Any], token: str, input_file: str) -> bool:
    """Whether a batch is ours; no other has its file, and some servers keep no metadata."""
    told = listed.get("metadata")
    is_named = isinstance(told, dict) and told.get(METADATA) == token
    return is_named or bool(input_file and listed.get("input_file_id") == input_file)


def _is_past(times: Sequence[Any], since: float) -> bool:
    """Whether a list that is seen to begin with the newest has come to what is older than `since`."""
    if len(times) < 2 or not all(type(at) in (int, float) for at in times):
        return False
    return times[0] > times[-1] and times[-1] < since and all(a >= b for a, b in itertools.pairwise(times))


def _listed_name(listed: Mapping[str, Any]) -> str | Failure:
    name = _name(listed)
    return name if isinstance(name, str) else Failure("passing", UNLISTED, do=API_DO)


async def download(session: Session, model: str, file: str, into: IO[bytes]) -> Failure | None:
    """Put the content of a file `into` another; a failure that may pass where it did not come whole."""
    said = await endpoint.exchange(session, "GET", f"files/{file}/content", model, into=into)
    return said if isinstance(said, Failure) else None


async def _status(
    session: Session, model: str, method: str, path: str, asked: Mapping[str, Any] | None = None
) -> Status | Failure:
    said = await endpoint.exchange(session, method, path, model, asked)
    found = _mapping(said, session, model)
    if isinstance(found, Failure):
        return found
    try:
        headers = {} if isinstance(said, Failure) else said[1]
        return _read(found, headers, endpoint.secrets_of(session), model)
    except Exception as error:  # an answer is whatever the server sent
        return Failure("unreadable", f"no batch can be read in the answer ({type(error).__name__})", do=API_DO)


def _mapping(said: tuple[bytes, Mapping[str, str]] | Failure, session: Session, model: str) -> dict[str, Any] | Failure:
    if isinstance(said, Failure):
        return Failure(said.kind, said.told, said.retry_after_s, API_DO) if said.do == failure.MODEL_DO else said
    try:
        found = json.loads(said[0])
        if isinstance(found, dict):
            listed = found.get("data")
            named = [found, *(listed if isinstance(listed, list) else [])]
            names = " ".join(str(each.get("id")) for each in named if isinstance(each, dict))
            if words.repeats(names.encode(), endpoint.secrets_of(session)[0], model):  # which records and logs have
                return Failure("unreadable", words.REPEATS, do=words.REPEATS_DO)
            return found
        return Failure("unreadable", "an answer that is no JSON object", do=API_DO)
    except (ValueError, RecursionError) as error:
        return failure.of_body(error, said[0], endpoint.secrets_of(session), model)


def _name(found: Mapping[str, Any]) -> str | Failure:
    """The name of a file or batch, if it is one that can stand in an address."""
    name = found.get("id")
    if isinstance(name, str) and 0 < len(name) <= 200 and name.replace("-", "").replace("_", "").isalnum():
        return name if name.isascii() else Failure("unreadable", "a name that is no name", do=API_DO)
    return Failure("unreadable", "no name in the answer", do=API_DO)


def _read(found: Mapping[str, Any], headers: Mapping[str, str], kept: Sequence[str], model: str) -> Status | Failure:
    name = _name(found)
    if isinstance(name, Failure):
        return name
    counts = found.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    files = [_name({"id": found[n]}) for n in ("output_file_id", "error_file_id") if found.get(n)]
    return Status(
        name,
        words.clean(str(found["status"]), kept, model, longest=40).lower(),
        _count(counts.get("completed")),
        _count(counts.get("failed")),
        tuple(f for f in files if isinstance(f, str)),
        tuple(_errors(found.get("errors"), kept, model)),
        failure.retry_after(headers),
    )


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 10**9 else 0


def _errors(found: Any, kept: Sequence[str], model: str) -> Iterable[tuple[str, int | None, str]]:
    listed = found.get("data") if isinstance(found, dict) else found
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, str):
            yield "", None, words.clean(each, kept, model)
        elif isinstance(each, dict):
            line, said = each.get("line"), each.get("message")
            told = words.clean(said, kept, model) if isinstance(said, str) else ""
            code = words.clean(str(each.get("code") or ""), kept, model, longest=60)
            yield code, line if type(line) is int else None, told
