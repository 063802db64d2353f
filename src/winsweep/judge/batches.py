"""Asks a judge by batches, at about half the price: what is on its way is never sent twice, whoever sent it, and the
work ends, to go on later, while there is nothing to do but wait.
"""

import asyncio
import os
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from winsweep.amounts import plural
from winsweep.errors import BadStudy, Waiting
from winsweep.judge import address, batch_api, batch_files, batch_records, client, endpoint, words
from winsweep.judge.batch_files import Request, Sizes
from winsweep.judge.batch_records import Record
from winsweep.judge.batch_turn import Turn
from winsweep.judge.batch_visit import LIMITED, PAUSE_S, REFUSED, Place, Seen, most_waiting, post, visit
from winsweep.judge.chat import ChatJudge
from winsweep.judge.failure import Failure, rejected_do
from winsweep.judge.judging import Asker, Unanswered
from winsweep.judge.ledger import Ledger
from winsweep.judge.limits import Limits
from winsweep.judge.questions import Judgement, Question
from winsweep.judge.spending import Spending

# batches that a question is part of in vain, by kind of failure; each may take a day
MOST = {"passing": 10, "unreadable": 4, "rejected": 2, "invalid": 1}
IN_A_ROW = 3  # batches that are refused, before no more are sent
STAY_S = 5.0  # the longest wait for which this process stays
IDLE_S = 0.2  # between looks at whether to stop and at what other processes were told
TURN_S = 0.5  # between looks at whether it is our turn
UPLOADS, BACKOFF_S = 5, 1.0
SIZES = Sizes()
OTHERS_S = 3600.0  # after which a batch at which nobody looks is ours to look at


def is_on_way(ledger: Ledger) -> bool:
    """Whether some batch of the judge is not over."""
    return bool(batch_records.open_ones(batch_records.folder_of(ledger.folder)))


def asker(judge: ChatJudge, limits: Limits, ledger: Ledger | None, sizes: Sizes = SIZES) -> Asker:
    """What asks by batches. Without `batch` in limits it only waits for those on their way, and asks the rest call by
    call.

    Raises Waiting, with a time, where the rest is a matter of waiting; BadStudy without a store.
    """

    def ask(
        questions: list[Question],
        answered: Callable[[Question, Judgement], None],
        idle: Callable[[], Iterable[Question]],
    ) -> Unanswered:
        if ledger is None:
            raise BadStudy("limits: batch: true needs a store that remembers batches; type batch: false")
        work = _Batches(judge, limits, ledger, sizes, questions, idle)
        left = asyncio.run(work.all())
        if limits.batch or left.stopped or not work.open:
            return left
        return client.asker(judge, limits, ledger)(list(work.open.values()), answered, idle)

    return ask


class _Batches:
    """Questions that are open, and why the work ended: `why`, or an answer to each or reasons for it."""

    def __init__(
        self,
        judge: ChatJudge,
        limits: Limits,
        ledger: Ledger,
        sizes: Sizes,
        questions: list[Question],
        idle: Callable[[], Iterable[Question]],
    ) -> None:
        self.judge, self.limits, self.ledger, self.sizes, self.look = judge, limits, ledger, sizes, idle
        self.folder = batch_records.folder_of(ledger.folder)
        self.open = {q.key(ledger.judge): q for q in questions}
        self.given_up: dict[str, Failure] = {}
        self.why: Failure | None = None
        self.told = "waits for what other batches of this judge leave of the budget"
        self.asks: dict[str, frozenset[str]] = {}  # keys of the questions of batches, by token

    async def all(self) -> Unanswered:
        self.ledger.make_folder()
        Spending(self.judge.identity["model"], self.limits, self.ledger)  # BadStudy for a budget without a price
        async with endpoint.connect(self.judge.identity["model"], self.limits) as session:
            self.at = Place(session, _address(), self.judge, self.ledger, self.folder, self.during)
            while self.pending:
                with Turn(self.folder) as is_ours:
                    wait_s = await self.turn() if is_ours else TURN_S
                self.hear()
                if self.why or wait_s is None:
                    break
                if is_ours and self.pending and wait_s > STAY_S:
                    again = time.strftime("%a %H:%M", time.localtime(time.time() + wait_s))
                    raise Waiting(f"{self.told}; looked at again {again}", time.time() + wait_s)
                await self.rest(wait_s)
        return self.unanswered()

    @property
    def pending(self) -> bool:
        return not self.open.keys() <= self.given_up.keys()

    def hear(self) -> None:
        """Let the work be stopped, and take what the ledger has by now."""
        for question in self.look():
            self.open.pop(question.key(self.ledger.judge), None)

    async def during(self, work: Awaitable[Any]) -> Any:
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=IDLE_S))[0]:
                self.hear()
            return task.result()
        finally:
            task.cancel()

    async def rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.pending:
            await asyncio.sleep(min(left, IDLE_S))
            self.hear()

    async def turn(self) -> float | None:
        """Look at what is on its way, send what is not, and say when to look again; None if nothing is on its way."""
        waits = [seen.wait_s for record in batch_records.open_ones(self.folder) if (seen := await self.visited(record))]
        if self.why:
            return None
        self.hear()
        found = batch_records.records(self.folder)
        self.give_up(found)
        on_way = frozenset().union(*(self.keys(record) for record in found if not record.over))
        todo = {k: q for k, q in self.open.items() if k not in on_way and k not in self.given_up}
        if todo and self.limits.batch and not self.why:
            waits += await self.submit(todo, found)
        self.told = _told([r for r in batch_records.open_ones(self.folder) if self.is_mine(r)]) or self.told
        waits = [wait_s for wait_s in waits if wait_s] or ([PAUSE_S / 10] if todo and self.limits.batch else [])
        return min(waits) if waits else None

    def keys(self, record: Record) -> frozenset[str]:
        if record.token not in self.asks:
            self.asks[record.token] = frozenset(batch_records.keys_of(self.folder, record.token))
        return self.asks[record.token]

    def is_mine(self, record: Record) -> bool:
        return not self.keys(record).isdisjoint(self.open)

    async def visited(self, record: Record) -> Seen | None:
        """What a look at a batch found, if there was one and it has questions of ours."""
        is_mine = self.is_mine(record)
        if self.why or (not is_mine and time.time() - max(record.looked, record.written) < OTHERS_S):
            return None
        seen = await visit(self.at, record)
        self.why = seen.stop if is_mine else None
        return seen if is_mine and not seen.stop else None

    def give_up(self, found: Sequence[Record]) -> None:
        """Note which questions were part of batches in vain too often."""
        failed: Counter[tuple[str, str]] = Counter()
        for record in found:
            for key, (kind, told) in record.in_vain.items():
                failed[key, kind] += 1
                if key in self.open and failed[key, kind] >= MOST.get(kind, 1):
                    do = rejected_do(told) if kind in ("rejected", "invalid") else ""
                    self.given_up[key] = Failure("passing" if kind == "passing" else "rejected", told, do=do)
        last = [record for record in found if record.over][-IN_A_ROW:]
        if len(last) == IN_A_ROW and all(r.over == REFUSED and r.in_vain for r in last):
            told = next(iter(last[-1].in_vain.values()))[1]
            self.why = Failure("refused", f"the last {IN_A_ROW} batches were refused: {told}", do=client.UNREADABLE)

    async def submit(self, todo: Mapping[str, Question], found: Sequence[Record]) -> list[float]:
        """Send as much as the budget and the account's limit of waiting tokens allow; when to look again."""
        on_way = [record for record in found if not record.over]
        most, pause_s = most_waiting(found, time.time())
        if pause_s or (on_way and most < float("inf")):
            self.told = f"{plural(len(todo), 'question is', 'questions are')} sent later: {LIMITED} at the endpoint"
            return [pause_s] if pause_s else []
        requests = self.within_budget(todo, on_way)
        waits = []
        for piece in batch_files.pieces(requests, self.sizes, most):
            seen = await self.send(piece)
            self.why = seen.stop
            if not seen.stop:
                waits.append(seen.wait_s)
            if seen.stop or most < float("inf"):
                break
        return waits

    def within_budget(self, todo: Mapping[str, Question], on_way: Sequence[Record]) -> list[Request]:
        """Requests for as many questions as the budget allows beside what is on its way; if that is none, a reason."""
        spending = Spending(self.judge.identity["model"], self.limits, self.ledger)
        chosen: list[Request] = []
        spending.under_way = sum(spending.price.batch_dollars(*record.tokens) for record in on_way)
        if spending.price.batch is None and spending.price.input:
            print("prices.yaml has no batch share for this model: the full price is counted", flush=True)
        for key, question in todo.items():
            request = batch_files.request(self.judge, key, question)
            if refusal := spending.refuses(*request.tokens, in_batch=True):
                if not chosen and not on_way:
                    self.why = Failure("budget", refusal, do="raise dollars: in limits: to go on")
                break
            chosen.append(request)
        return chosen

    async def send(self, piece: Sequence[Request]) -> Seen:
        """Upload a file, write down that a batch is made of it, and ask for that."""
        for num in range(UPLOADS):
            lines = [request.line for request in piece]
            file = await self.at.during(batch_api.upload(self.at.session, self.at.model, lines))
            if isinstance(file, str):
                sizes = [request.tokens for request in piece]
                tokens = sum(size[0] for size in sizes), sum(size[1] for size in sizes)
                record = Record(secrets.token_hex(16), self.at.address, file, len(piece), tokens, time.time())
                batch_records.begin(self.folder, record, [request.key for request in piece])
                return await post(self.at, record)
            if file.kind != "passing":
                break
            await self.rest(max(file.retry_after_s, BACKOFF_S * 2**num) if num < UPLOADS - 1 else 0)
        return Seen(stop=Failure(file.kind, f"a file of {len(piece)} requests was not taken: {file.told}", do=file.do))

    def unanswered(self) -> Unanswered:
        """Why the open questions have no answer; a person will be told, so that from now on nothing of it counts."""
        for record in batch_records.records(self.folder) if self.open else ():
            kept = {key: why for key, why in record.in_vain.items() if key not in self.open}
            if len(kept) < len(record.in_vain):
                batch_records.update(self.folder, replace(record, in_vain=kept))
        decisive = [self.why] if self.why else list(self.given_up.values())
        do = "; ".join(dict.fromkeys(f.do for f in decisive if f.do)) or client.UNREADABLE
        reasons = {self.open[key]: f.told for key, f in self.given_up.items() if key in self.open}
        can_pass = not decisive or any(f.kind == "passing" for f in decisive)
        return Unanswered(reasons, can_pass, self.why.told if self.why else "", do)


def _told(mine: Sequence[Record]) -> str:
    some = "; ".join(batch_records.told(record) for record in mine[:2])
    return f"{some}{f'; and {len(mine) - 2} more' if len(mine) > 2 else ''}"


def _address() -> str:
    return words.place(address.read(os.environ).url.rstrip("/"), [])
