"""The files of a batch: questions as lines of its input, and what the lines of its output and of its errors mean,
whatever a server wrote into them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from winsweep.judge import failure, replies, words
from winsweep.judge.chat import ChatJudge, request_for
from winsweep.judge.failure import Failure
from winsweep.judge.ledger import checked
from winsweep.judge.prices import most_tokens_of
from winsweep.judge.questions import Judgement, Question
from winsweep.judge.replies import Reply
from winsweep.judge.verdict import Unreadable, refuse_filtered

ENDPOINT = "/v1/chat/completions"
LONGEST_LINE = 8 << 20  # bytes of a line of output; a longer one is no reply to what was asked
KEY = re.compile(rb'"custom_id"\s*:\s*"([0-9a-f]{64})"')
NO_REPLY = "no reply can be read in the line"
CODES = ("batch_expired", "batch_cancelled", "rate_limit_exceeded", "server_error", "request_timeout")  # may pass


@dataclass(frozen=True)
class Sizes:
    """How much one input file may hold: OpenAI takes 50,000 requests and 200 MB."""

    requests: int = 50_000
    bytes: int = 100 << 20


@dataclass(frozen=True)
class Request:
    """A line of an input file, without its end; `tokens` of prompt and reply, at most, about."""

    key: str
    line: bytes
    tokens: tuple[int, int]


def request(judge: ChatJudge, key: str, question: Question) -> Request:
    """A question as a line; `key` comes back with its answer."""
    body = request_for(judge, question)
    line = json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}).encode()
    tokens = most_tokens_of("".join(m["content"] for m in body["messages"])), judge.workload.reply_tokens
    return Request(key, line, tokens)


def pieces(requests: Iterable[Request], sizes: Sizes, most_tokens: float) -> Iterator[list[Request]]:
    """`requests` in order, in files of at most `sizes` and `most_tokens`, and of one request at least."""
    piece: list[Request] = []
    size = tokens = 0
    for each in requests:
        more = len(each.line) + 1, sum(each.tokens)
        full = len(piece) >= sizes.requests or size + more[0] > sizes.bytes or tokens + more[1] > most_tokens
        if piece and full:
            yield piece
            piece, size, tokens = [], 0, 0
        piece.append(each)
        size, tokens = size + more[0], tokens + more[1]
    if piece:
        yield piece


@dataclass
class Answers:
    """What the files of one batch say to the questions that it has (`asked`: their keys). Of several answers to one the
    first that can be read counts.
    """

    asked: Collection[str]
    read: Callable[[dict[str, Any]], float]
    size: tuple[int, int]  # tokens of a reply that does not say its own
    secrets: Collection[str]
    model: str
    judgements: dict[str, Judgement] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    wasted: list[tuple[int, int]] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)  # kinds of lines that answer nothing
    is_torn: bool = False  # the last line of a file had no end

    def take(self, file: IO[bytes]) -> int:
        """Read all lines of a file; how many there are."""
        num = 0
        while line := file.readline(LONGEST_LINE):
            self.is_torn |= not line.endswith(b"\n") and not _is_whole(line)
            if line.strip():
                num += 1
                self._line(line)
        return num

    def _line(self, line: bytes) -> None:
        key, said = _parsed(line, self.secrets, self.model)
        if key not in self.asked:
            self.odd["without a question of this batch" if key else "unreadable"] += 1
            return
        if key in self.judgements:
            self.odd["to a question that was answered"] += 1
            return
        if self.secrets and words.repeats(line, next(iter(self.secrets)), self.model):
            said = Failure("unreadable", words.REPEATS)
        heard = self._judged(said) if isinstance(said, Reply) else said
        if isinstance(heard, Judgement):
            self.judgements[key] = heard
            self.failures.pop(key, None)
        else:
            self.failures[key] = heard

    def _judged(self, said: Reply) -> Judgement | Failure:
        tokens = said.tokens or self.size
        date = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            refuse_filtered(said.choice)
            return checked(
                Judgement(self.read(said.choice), said.choice, said.served_model, date, tokens, said.fingerprint)
            )
        except Exception as error:  # a reply is whatever the server sent, so anything may come of reading it
            self.wasted.append(tokens)
            told = str(error) if isinstance(error, Unreadable) else f"unreadable answer ({type(error).__name__})"
            return Failure("unreadable", told, do=getattr(error, "do", ""))


def _is_whole(line: bytes) -> bool:
    """Whether a line without an end is one all the same: some servers end their files so."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _parsed(line: bytes, secrets: Collection[str], model: str) -> tuple[str, Reply | Failure]:
    """The key of a line ("" where it has none) and what it says."""
    try:
        found = replies.strict_json(line)
        key = found["custom_id"]
        if not isinstance(key, str):
            raise TypeError("a key is a text")
        return key, _said(found, secrets, model)
    except Exception as error:  # a line is whatever the server sent
        match = KEY.search(line)  # not within a text, where a quotation mark has a backslash before it
        return match[1].decode() if match else "", Failure("unreadable", f"{NO_REPLY} ({type(error).__name__})")


def _said(found: dict[str, Any], secrets: Collection[str], model: str) -> Reply | Failure:
    response, error = found.get("response"), found.get("error")
    if isinstance(response, dict):
        status, body = response.get("status_code"), response.get("body")
        if type(status) is int and not 200 <= status < 300:
            return failure.of_status(status, json.dumps(body).encode(), {}, list(secrets), model)
        return replies.completion(body)
    code = error.get("code") if isinstance(error, dict) else ""
    told = words.of(json.dumps({"error": error}).encode(), secrets, model) or "an error without a word"
    return Failure("passing" if code in CODES else "rejected", told)
