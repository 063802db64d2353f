"""From pairs to annotation rows: what the ledger knows is not asked again, what comes is recorded at once, what is
missing is named.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from winsweep.errors import JudgeFailed, JudgeRefused
from winsweep.judge.ledger import Ledger
from winsweep.judge.questions import Judgement, Order, Question, Shown, ask_about, decide

Row = dict[str, Any]
NUM_NAMED, LONGEST = 5, 1200  # failures that an error spells out, and characters of them


@dataclass(frozen=True)
class Unanswered:
    """Why questions have no answer, and the reason why no more were asked, if there is one.

    `can_pass`: asked again later, the judge may answer with nothing changed. Where it cannot, `do` is what to type.
    """

    reasons: dict[Question, str]
    can_pass: bool
    stopped: str = ""
    do: str = ""


class Asked(Protocol):
    """Who is asked: what stands in every row, and which output is shown first."""

    @property
    def identity(self) -> Mapping[str, str]: ...
    @property
    def order(self) -> Order: ...
    @property
    def samples(self) -> int: ...


class Asker(Protocol):
    """Asks a judge: hands each judgement to `answered` as it comes, and returns why questions have none."""

    def __call__(
        self,
        questions: list[Question],
        answered: Callable[[Question, Judgement], None],
        idle: Callable[[], Iterable[Question]],
    ) -> Unanswered: ...


def judge_all(
    pairs: list[Row], judge: Asked, keep: Callable[[list[Row]], None], ledger: Ledger | None, ask: Asker
) -> None:
    """Hand every pair with its preference to `keep`, first what the ledger knows, then one by one as judgements come,
    in any order.

    A pair has `instruction`, `output_1` (the reference's) and `output_2` (the candidate's); the rest of it is kept.
    Added are the judge's identity and the fields of questions.decide. `keep` is called without rows now and then, so
    that it may stop: what it raises ends the work once the calls under way are over, and comes out here. Raises
    JudgeFailed, naming pairs and reasons, if any has no preference, and JudgeRefused if that cannot pass by itself;
    good rows were handed over by then.
    """
    work = _Work(pairs, judge, keep, ledger)
    keep(work.rows(range(len(pairs))))
    if not work.waiting:
        return
    try:
        left = ask(list(work.waiting), work.answer, work.idle)
    finally:
        if ledger:
            ledger.close()
    if work.waiting:
        raise (JudgeFailed if left.can_pass else JudgeRefused)(_say_failures(work, left))


class _Work:
    """Which questions decide which pairs, and what was said to them."""

    def __init__(
        self, pairs: list[Row], judge: Asked, keep: Callable[[list[Row]], None], ledger: Ledger | None
    ) -> None:
        self.pairs, self.judge, self.keep, self.ledger = pairs, judge, keep, ledger
        self.shown: list[list[Shown]] = [ask_about(pair, judge.order, judge.samples) for pair in pairs]
        users: dict[Question, list[int]] = {}
        for i, each in enumerate(self.shown):
            for s in each:
                users.setdefault(s.question, []).append(i)
        self.said: dict[Question, Judgement] = ledger.find(users) if ledger else {}
        self.waiting = {q: of for q, of in users.items() if q not in self.said}

    def rows(self, indices: Iterable[int]) -> list[Row]:
        """Those of the pairs that are decided."""
        return [self._row(i) for i in indices if all(s.question in self.said for s in self.shown[i])]

    def _row(self, i: int) -> Row:
        decided = decide(self.shown[i], [self.said[s.question] for s in self.shown[i]])
        return {**self.pairs[i], **self.judge.identity, **decided}

    def answer(self, question: Question, judgement: Judgement) -> None:
        if self.ledger and question in self.waiting:
            self.ledger.add(question, judgement)
        self._heard(question, judgement)

    def _heard(self, question: Question, judgement: Judgement) -> None:
        self.said[question] = judgement
        rows = self.rows(self.waiting.pop(question, ()))
        self.keep(rows)

    def idle(self) -> list[Question]:
        """Let `keep` stop the work; questions that another process got answered meanwhile."""
        self.keep([])
        news = {q: j for q, j in (self.ledger.news() if self.ledger else {}).items() if q in self.waiting}
        for question, judgement in news.items():
            self._heard(question, judgement)
        return list(news)


def _say_failures(work: _Work, left: Unanswered) -> str:
    reasons = {of[0]: left.reasons[q] for q, of in work.waiting.items() if q in left.reasons}
    missing = {i for of in work.waiting.values() for i in of}
    some = "; ".join(f"#{i} {work.pairs[i]['instruction'][:60]!r}: {reasons[i]}" for i in sorted(reasons)[:NUM_NAMED])
    some = some if len(some) <= LONGEST else f"{some[: LONGEST - 1]}…"  # what to do stands behind it
    more = f"; and {len(reasons) - NUM_NAMED} more" if len(reasons) > NUM_NAMED else ""
    who = f"judge {work.judge.identity['annotator']} with {work.judge.identity['model']}"
    told = f"{len(missing)} of {len(work.pairs)} pairs have no preference{': ' if some else ''}{some}{more}"
    do = "run again to judge what is missing" if left.can_pass else left.do
    return f"{who}: {f'{left.stopped}; ' if left.stopped else ''}{told}; what was judged is kept; {do}"
