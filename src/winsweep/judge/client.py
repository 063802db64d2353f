"""The client of paid judges: many calls at once over one endpoint, what passes asked again, what lasts named, and no
call after a reason to stop.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from winsweep import keys
from winsweep.judge import endpoint
from winsweep.judge.chat import ChatJudge, request_for
from winsweep.judge.failure import Failure
from winsweep.judge.judging import Asker, Row, Unanswered, judge_all
from winsweep.judge.ledger import Ledger, checked
from winsweep.judge.limits import Limits
from winsweep.judge.pacing import Pacing
from winsweep.judge.prices import tokens_of
from winsweep.judge.questions import Judgement, Question
from winsweep.judge.replies import Reply
from winsweep.judge.spending import Spending
from winsweep.judge.verdict import Unreadable, refuse_filtered

NUM_PROBES = 3  # asked first: an endpoint that cannot answer as it must is found out before the rest is paid for
PROBES = {"passing": 10, "unreadable": 2, "rejected": 2}  # calls for one of them by kind of failure
# and for any other question; what was paid for and was no use, fewer
MOST = {"passing": 10, "unreadable": 6, "rejected": 4}
BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0  # before the next call for a question: a random share of 0.5, 1, 2, … s
LONGEST_WAIT_S = 600.0  # a Retry-After above this ends the stage: it holds a place in the queue for nothing
IDLE_S = 0.2  # between looks at whether to stop and at what other processes were told
DRAIN_S = 10.0  # how long calls under way may still come in after a reason to stop
UNREADABLE = "name a judge that this model can answer as; chain_of_thought needs no log-probabilities"


def judge_over_http(
    pairs: list[Row], judge: ChatJudge, limits: Limits, keep: Callable[[list[Row]], None], ledger: Ledger | None
) -> None:
    """See judging.judge_all. Raises BadStudy, before any call, without a key or for a model that OpenAI has
    shut down.
    """
    judge_all(pairs, judge, keep, ledger, asker(judge, limits, ledger))


def asker(judge: ChatJudge, limits: Limits, ledger: Ledger | None) -> Asker:
    """What asks call by call."""

    def ask(questions: list[Question], answered: Callable, idle: Callable) -> Unanswered:
        spending = Spending(judge.identity["model"], limits, ledger)
        shared = ledger.beside(f"pace-{keys.digest(judge.identity['model'])}") if ledger else None
        return asyncio.run(_Calls(judge, limits, spending, Pacing(limits, shared), answered, idle).all(questions))

    return ask


class _Calls:
    """Calls under way and why they end. `stopped` is a reason for people, `raised` what keep raised; after either no
    call leaves. `why` is what the endpoint said, where one answer was the reason.
    """

    def __init__(
        self,
        judge: ChatJudge,
        limits: Limits,
        spending: Spending,
        pacing: Pacing,
        answered: Callable[[Question, Judgement], None],
        idle: Callable[[], Iterable[Question]],
    ) -> None:
        self.judge, self.limits, self.spending, self.pacing, self.answered, self.look = (
            judge,
            limits,
            spending,
            pacing,
            answered,
            idle,
        )
        self.failures: dict[Question, Failure] = {}
        self.stopped, self.in_a_row = "", 0
        self.why: Failure | None = None
        self.raised: BaseException | None = None
        self.workers: list[asyncio.Task] = []
        self.under_way: set[asyncio.Task | None] = set()  # workers whose call has left
        self.elsewhere: set[Question] = set()  # what other processes got answered

    async def all(self, questions: list[Question]) -> Unanswered:
        async with endpoint.connect(self.judge.identity["model"], self.limits) as self.session:
            await self._several(questions[:NUM_PROBES], PROBES)
            if not self._over and len(self.failures) == len(questions[:NUM_PROBES]):
                self.stop(
                    f"none of the first {len(self.failures)} questions got an answer that can be used, so the rest was "
                    f"not asked"
                )
            if not self._over:
                again, self.failures = list(self.failures), {}
                await self._several([*again, *questions[NUM_PROBES:]], MOST)
        if self.raised:
            raise self.raised
        return self._unanswered()

    def _unanswered(self) -> Unanswered:
        """One answer that stopped the work decides whether that can pass by itself; else one question that may get an
        answer later is enough.
        """
        decisive = [self.why] if self.why else list(self.failures.values())
        can_pass = not decisive or any(f.kind == "passing" for f in decisive)
        do = "; ".join(dict.fromkeys(f.do for f in decisive if f.do))
        return Unanswered({q: f.told for q, f in self.failures.items()}, can_pass, self.stopped, do)

    @property
    def _over(self) -> bool:
        return bool(self.stopped or self.raised)

    def stop(self, reason: str = "", why: Failure | None = None, raised: BaseException | None = None) -> None:
        """Let no further call leave; those under way may come in."""
        if self._over:
            return
        self.stopped, self.why, self.raised = reason, why, raised
        for worker in self.workers:
            if worker not in self.under_way:
                worker.cancel()

    async def _several(self, questions: list[Question], most: Mapping[str, int]) -> None:
        queue = iter(questions)
        num = min(self.limits.in_flight, len(questions))
        self.workers = [asyncio.create_task(self._guarded(self._work(queue, most))) for _ in range(num)]
        watch = asyncio.create_task(self._guarded(self._watch()))
        done = asyncio.gather(*self.workers, return_exceptions=True)
        try:
            while not done.done() and not self._over:
                await asyncio.wait({done}, timeout=IDLE_S)
            await asyncio.wait({done}, timeout=DRAIN_S)
        finally:
            for task in (watch, *self.workers):
                task.cancel()
            await asyncio.gather(watch, *self.workers, return_exceptions=True)

    async def _guarded(self, work: Coroutine) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # what keep or the ledger raised: it must not be lost in a task
            self.stop(raised=error)

    async def _watch(self) -> None:
        while not self._over:
            self.elsewhere.update(self.look())
            await asyncio.sleep(IDLE_S)

    async def _work(self, queue: Iterator[Question], most: Mapping[str, int]) -> None:
        for question in queue:
            await self._one(question, most)
            if self._over:
                return

    async def _one(self, question: Question, most: Mapping[str, int]) -> None:
        """Ask until there is an answer, as often as `most` allows; an endpoint in trouble is asked about no other
        question meanwhile.
        """
        failed: Counter[str] = Counter()
        while found := await self._call(question):
            failed[found.kind] += 1
            if found.kind in ("refused", "quota"):
                self.stop(f"the endpoint says {found.told}, which holds for every call", found)
                return
            if found.retry_after_s > LONGEST_WAIT_S:
                self.stop(f"the endpoint asks for {found.retry_after_s:,.1f} s of rest ({found.told})", found)
                return
            if failed[found.kind] >= most[found.kind]:
                self._give_up(question, found)
                return
            await self._rest(
                question,
                max(
                    found.retry_after_s, random.random() * min(LONGEST_BACKOFF_S, BACKOFF_S * 2 ** (failed.total() - 1))
                ),
            )

    async def _rest(self, question: Question, seconds: float) -> None:
        """Wait so long, or until another process got the answer."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and question not in self.elsewhere:  # noqa: ASYNC110  # from a file
            await asyncio.sleep(min(left, IDLE_S))

    async def _call(self, question: Question) -> Failure | None:
        """One call: None once its question is answered, here or elsewhere, or if no call may leave any more."""
        if question in self.elsewhere:
            return None
        request = request_for(self.judge, question)
        size = tokens_of(sum(len(m["content"]) for m in request["messages"])), self.judge.workload.reply_tokens
        await self.pacing.turn(sum(size))
        if self._over or question in self.elsewhere:
            return None
        if refusal := self.spending.refuses(*size):
            self.stop(refusal, Failure("budget", refusal, do="raise dollars: in limits: to go on"))
            return None
        worker = asyncio.current_task()
        self.under_way.add(worker)
        try:
            said = await endpoint.ask(self.session, request)
            return self._hear(question, said, size)
        finally:
            self.under_way.discard(worker)
            self.spending.record(*size)

    def _hear(self, question: Question, said: Reply | Failure, size: tuple[int, int]) -> Failure | None:
        if isinstance(said, Failure):
            if said.retry_after_s:
                self.pacing.close(min(said.retry_after_s, LONGEST_WAIT_S))
            return said
        tokens = said.tokens or size
        try:
            judgement = _judgement(self.judge, said, tokens)
        except Exception as error:  # a reply is whatever the server sent, so anything may come of reading it
            self.spending.waste(tokens)
            return Failure(
                "unreadable",
                str(error) if isinstance(error, Unreadable) else f"unreadable answer ({type(error).__name__})",
                do=getattr(error, "do", "") or UNREADABLE,
            )
        self.spending.count(tokens)
        self.in_a_row = 0
        self.answered(question, judgement)
        return None

    def _give_up(self, question: Question, failure: Failure) -> None:
        self.failures[question] = failure
        self.in_a_row += 1
        if self.in_a_row >= max(self.limits.in_flight, NUM_PROBES + 1):
            self.stop(f"not one of the last {self.in_a_row} questions got an answer")


def _judgement(judge: ChatJudge, said: Reply, tokens: tuple[int, int]) -> Judgement:
    refuse_filtered(said.choice)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return checked(Judgement(judge.read(said.choice), said.choice, said.served_model, date, tokens, said.fingerprint))
