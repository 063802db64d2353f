"""One batch looked at: found again by its token where its name is not known, taken into the ledger when it is over,
cancelled when it takes too long.
"""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from winsweep.amounts import plural
from winsweep.judge import batch_api, batch_records, failure
from winsweep.judge.batch_api import Session, Status
from winsweep.judge.batch_files import Answers
from winsweep.judge.batch_records import Record
from winsweep.judge.chat import ChatJudge
from winsweep.judge.endpoint import secrets_of
from winsweep.judge.failure import Failure
from winsweep.judge.ledger import Ledger

UNSEEN_S = 60.0  # how long a batch that was asked for may be missing in the list of all
POSTS = 5  # times that a batch is asked for
PART_S = 3600.0  # for which files of fewer answers than the endpoint says are fetched again
UNHEARD_S = 3 * 86400.0  # for which answers may not come, before a person is told
SHORTEST_S, LONGEST_S, SHARE = 2.0, 1800.0, 4  # between looks at a batch: this share of its age
LATE_S = 26 * 3600.0  # a day, and what an endpoint may need to say that it is over
UNKNOWN_S = 3600.0  # how long a list that cannot be read is waited for, before a person is asked to look
CANCEL_S = 3600.0  # how long cancelling may take
PAUSE_S = 600.0  # after an account had too many tokens waiting, before more are sent
LIMITED_S = 86400.0  # for which batches stay smaller after that
LIMITED, REFUSED, EXPIRED = "too many tokens waiting", "refused", "not answered within 24 h"
# Not the address: whoever can write a record could have a key sent anywhere.
ADDRESS_DO = "set OPENAI_BASE_URL again to the endpoint that you sent it to; {} names one, to which your key would go"


@dataclass
class Place:
    """Where batches of one judge are asked for and kept; `during` awaits and lets the work be stopped meanwhile."""

    session: Session
    address: str  # host and path of the endpoint
    judge: ChatJudge
    ledger: Ledger
    folder: Path
    during: Callable[[Awaitable[Any]], Awaitable[Any]]

    @property
    def model(self) -> str:
        return self.judge.identity["model"]


@dataclass(frozen=True)
class Seen:
    """What a visit found: when the next one makes sense, or why nothing more makes sense at all."""

    wait_s: float = 0.0
    stop: Failure | None = None


async def visit(at: Place, record: Record) -> Seen:
    """Ask about a batch that is not over, and write down what was said."""
    if record.endpoint != at.address:
        told = f"batch {record.batch or record.token} was sent to another address than {at.address}"
        return Seen(stop=Failure("refused", told, do=ADDRESS_DO.format(at.folder / f"{record.token}.json")))
    if not record.batch:
        return await _find(at, record)
    said = await at.during(batch_api.look(at.session, at.model, record.batch))
    if isinstance(said, Failure):
        return _unheard(at, record, said)
    now = time.time()
    record = replace(record, status=said.status, completed=said.completed, failed=said.failed, looked=now)
    if said.is_over or (record.late and now - record.late > CANCEL_S):
        return await _collect(at, record, said)
    if now - record.posted > LATE_S and not record.late:
        await at.during(batch_api.cancel(at.session, at.model, record.batch))
        record = replace(record, late=now)
    batch_records.update(at.folder, record)
    return Seen(said.retry_after_s or _wait_s(record))


async def post(at: Place, record: Record) -> Seen:
    """Ask for a batch. Where the answer does not say whether it was made, the list of all will."""
    record = replace(record, posts=record.posts + 1, posted=time.time())
    batch_records.update(at.folder, record)
    said = await at.during(batch_api.create(at.session, at.model, record.input_file, record.token))
    if isinstance(said, Status):
        batch_records.update(at.folder, replace(record, batch=said.batch, status=said.status))
        return Seen(said.retry_after_s or SHORTEST_S)
    if any(word in said.told.lower() for word in batch_api.ENQUEUED):
        return _limited(at, record)
    if said.kind in ("passing", "unreadable"):
        return Seen(max(UNSEEN_S, said.retry_after_s))
    _end(at, record, said.told)
    return Seen(stop=said)


def _wait_s(record: Record) -> float:
    return min(LONGEST_S, max(SHORTEST_S, (time.time() - record.posted) / SHARE))


def _unheard(at: Place, record: Record, said: Failure) -> Seen:
    """An endpoint that does not answer may do so later; one that does not know the batch any more never will."""
    late_s = time.time() - record.posted - LATE_S
    if said.kind == "passing" and late_s < UNHEARD_S:
        return Seen(said.retry_after_s or _wait_s(record))
    if said.kind == "rejected" and late_s > 0:
        _end(at, record, "gone", dict.fromkeys(_keys(at, record), ("passing", f"the endpoint forgot it: {said.told}")))
        return Seen()
    told = f"batch {record.batch} cannot be looked at: {said.told}"
    do = said.do if said.kind != "rejected" else "set OPENAI_API_KEY to that of the account which has it"
    return Seen(stop=Failure(said.kind, told, do=do))


async def _find(at: Place, record: Record) -> Seen:
    if not record.posts:
        return await post(at, record)
    said = await at.during(batch_api.find(at.session, at.model, record.token, record.input_file, record.written))
    if isinstance(said, Failure):
        return _unlisted(at, record, said)
    if said:
        batch_records.update(at.folder, found := replace(record, batch=said))
        return await visit(at, found)
    if (left := record.posted + UNSEEN_S - time.time()) > 0:
        return Seen(min(left, UNSEEN_S))
    if record.posts < POSTS:
        return await post(at, record)
    told = f"the endpoint made no batch, although it was asked {POSTS} times"
    _end(at, record, "never made")
    return Seen(stop=Failure("passing", told))


def _unlisted(at: Place, record: Record, said: Failure) -> Seen:
    """It is not asked for again while it may be there: a second one would be paid, too."""
    if said.kind == "passing" and time.time() - record.posted < UNKNOWN_S:
        return Seen(max(said.retry_after_s, _wait_s(record)))
    told = (
        f"whether the endpoint made a batch of file {record.input_file} is not known ({said.told}): look at its own "
        f"page of batches; if there is none, move {at.folder / record.token}.json away, and it is asked for again"
    )
    return Seen(stop=replace(said, told=told))


async def _collect(at: Place, record: Record, status: Status) -> Seen:
    """Take what a batch was answered into the ledger, all at once."""
    if status.status == "failed":
        return _refused(at, record, status)
    keys = _keys(at, record)
    size = record.tokens[0] // record.num, record.tokens[1] // record.num
    answers = Answers(set(keys), at.judge.read, size, secrets_of(at.session), at.model)
    record = record if record.done else replace(record, done=time.time())
    failed = await _fetch(at, record, status, answers)
    if failed and failed.kind != "rejected":  # it may come later; a file that is gone never does
        return _unfetched(at, record, failed)
    is_late = status.status == "expired" or record.late
    missing = EXPIRED if is_late else f"batch {record.batch} has no line about it"
    unsaid = [key for key in keys if key not in answers.judgements and key not in answers.failures]
    answers.failures |= dict.fromkeys(unsaid, Failure("passing", failed.told if failed else missing))
    kept = at.ledger.add_batch(record.token, answers.judgements, answers.wasted)
    failures = {key: f for key, f in answers.failures.items() if key not in kept}
    lasting = next((f for f in failures.values() if f.kind in ("refused", "quota")), None)
    vain = {k: (str(f.kind), f.told) for k, f in failures.items() if f.kind not in ("refused", "quota")}
    is_ours = status.status == "cancelled" and not record.late
    _end(at, record, status.status or "given up", {} if is_ours else vain)
    _say(record, status, answers)
    if is_ours:
        told = f"batch {record.batch} was cancelled at the endpoint, not by winsweep"
        return Seen(stop=Failure("refused", told, do="find out who cancelled it"))
    return Seen(stop=lasting)


async def _fetch(at: Place, record: Record, status: Status, answers: Answers) -> Failure | None:
    """Read the files of a batch; a failure where they are not whole, until that was tried often enough."""
    num = 0
    for name in status.files:
        with tempfile.TemporaryFile(dir=at.folder) as file:
            failed = await at.during(batch_api.download(at.session, at.model, name, file))
            if failed:
                return failed
            file.seek(0)
            num += answers.take(file)
    if (answers.is_torn or num < status.completed) and time.time() - record.done < PART_S:
        return Failure("passing", "its output came in part")
    if num and not answers.judgements and not answers.failures:
        return Failure("passing", f"its files have {plural(num, 'line')}, and none about its questions")
    return None


def _unfetched(at: Place, record: Record, failed: Failure) -> Seen:
    """A batch whose answers cannot be fetched: they are paid, so it is waited for, and a person is told at last."""
    batch_records.update(at.folder, record)
    for_s = time.time() - record.done
    if failed.kind == "passing" and for_s < UNHEARD_S:
        return Seen(max(failed.retry_after_s, min(LONGEST_S, max(SHORTEST_S, for_s / SHARE))))
    told = f"batch {record.batch} is {record.status}, and its answers cannot be fetched: {failed.told}"
    return Seen(stop=replace(failed, told=told))


def _refused(at: Place, record: Record, status: Status) -> Seen:
    """A batch that was not begun, with the endpoint's reasons."""
    said = [*dict.fromkeys(f"{code}: {told}".strip(": ") for code, _, told in status.errors)]
    told = "; ".join(said[:3]) or "without a reason"
    if any(word in f"{code} {words}".lower() for code, _, words in status.errors for word in batch_api.ENQUEUED):
        return _limited(at, record)
    keys = _keys(at, record)
    lines = {keys[n - 1]: ("invalid", f"{c}: {t}") for c, n, t in status.errors if n and 1 <= n <= len(keys)}
    _end(at, record, REFUSED, lines)
    print(f"batch {record.batch}: refused, {plural(len(lines), 'line')} named: {told}", flush=True)
    if lines:
        return Seen()
    is_empty = any(code in failure.EMPTY for code, _, _ in status.errors)
    do = failure.CREDIT_DO if is_empty else failure.rejected_do(told)
    return Seen(stop=Failure("quota" if is_empty else "refused", f"batch {record.batch} was refused: {told}", do=do))


def _limited(at: Place, record: Record) -> Seen:
    alone = dict.fromkeys(_keys(at, record), ("passing", LIMITED)) if record.num == 1 else {}
    _end(at, record, LIMITED, alone)
    print(f"batch {record.batch}: {LIMITED} at the endpoint; smaller ones follow later", flush=True)
    return Seen()


def most_waiting(found: Sequence[Record], now: float) -> tuple[float, float]:
    """How many tokens a batch may have, and for how long none may be sent, after batches that had too many."""
    limited = [record for record in found if record.over == LIMITED and abs(now - record.ended) < LIMITED_S]
    if not limited:
        return math.inf, 0.0
    pause_s = max(r.ended for r in limited) + PAUSE_S - now
    return min(sum(r.tokens) for r in limited) // 2, min(PAUSE_S, max(0.0, pause_s))


def _keys(at: Place, record: Record) -> list[str]:
    return batch_records.keys_of(at.folder, record.token)


def _end(at: Place, record: Record, how: str, in_vain: dict[str, tuple[str, str]] | None = None) -> None:
    batch_records.update(at.folder, replace(record, over=how, ended=time.time(), in_vain=in_vain or {}))


def _say(record: Record, status: Status, answers: Answers) -> None:
    """A line in the log: how much was answered, and what of the rest was odd."""
    why = Counter(f.told for f in answers.failures.values()).most_common(3)
    odd = [f"{plural(num, 'line')} {kind}" for kind, num in answers.odd.items()]
    more = "".join(f"; {each}" for each in [*(f"{num} × {told}" for told, num in why), *odd])
    print(f"batch {record.batch} {status.status}: {len(answers.judgements)} of {record.num} answered{more}", flush=True)
