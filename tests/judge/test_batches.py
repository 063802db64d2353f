"""Judging by batches: the same rows as call by call, whatever the endpoint does to files, lines and batches."""

import json
import time
from collections import Counter

import pytest

from winsweep.errors import JudgeRefused, Stopped, Waiting
from winsweep.judge import batch_files, batch_visit, batches
from winsweep.judge.batch_files import Sizes
from winsweep.judge.judging import judge_all
from winsweep.judge.spending import Spending
from winsweep.judges import alpaca

from . import asking
from .batch_server import LINE_FAULTS
from .batching import by_calls, judge, question_of, undated
from .pairs import make_pairs


def test_rows_are_those_of_calls_whatever_lines_come(tmp_path, batcher, monkeypatch):
    """Each kind of fault at each first request; each question is asked again as often as it must, and no more."""
    pairs, dealt = make_pairs(60), Counter()

    def choose(key: str, nth: int) -> str:
        if nth > 1 + int(key, 16) % 2:
            return "ok"
        dealt[key] += 1
        return LINE_FAULTS[(int(key, 16) // 7 + nth) % len(LINE_FAULTS)]

    batcher.choose, batcher.extras = choose, 0.3
    assert undated(judge(pairs, tmp_path / "a")) == undated(by_calls(pairs, tmp_path / "b", monkeypatch))
    assert set(batcher.good.values()) == {1} and len(batcher.good) == 60
    assert batcher.asked == Counter({key: 1 + dealt[key] for key in batcher.asked})


def test_many_files_are_made_where_one_is_too_small(tmp_path, batcher):
    pairs, asked = make_pairs(50), asking.options(batch=True)
    for sizes, num in ((Sizes(requests=20), 3), (Sizes(bytes=30_000), None)):
        rows: list[dict] = []
        batcher.batches.clear()
        ledger = asking.ledger_of(tmp_path / str(num), asked)
        judge_all(
            pairs,
            alpaca.judge(asked),
            rows.extend,
            ledger,
            batches.asker(alpaca.judge(asked), asked.limits, ledger, sizes),
        )
        assert len(rows) == 50 and len(batcher.batches) in (num, *(() if num else range(2, 9)))
    largest = max(len(batcher.files[batch["input_file_id"]]) for batch in batcher.batches.values())
    assert 25_000 < largest <= 30_000


def test_two_studies_of_one_store_send_a_question_once(tmp_path, batcher):
    """What another process has on its way is waited for; and so it is without `batch`."""
    pairs, batcher.ends = make_pairs(30), ["stays"]
    batcher.retry_after = 60.0
    for some in (pairs[:20], pairs[:20], pairs):
        with pytest.raises(Waiting, match=r"batch batch_0000: 0 of 20 answered, .*; looked at again") as told:
            judge(some, tmp_path)
        assert time.time() + 0.01 < told.value.until <= time.time() + 61
    with pytest.raises(Waiting):
        judge(pairs, tmp_path, batch=False)
    assert [len(b["_lines"]) for b in batcher.batches.values()] == [20, 10] and batcher.called == 0
    batcher.retry_after = 0.01
    batcher.batches["batch_0000"]["_end"] = "completed"
    assert len(judge([*pairs, *make_pairs(33)[30:]], tmp_path, batch=False)) == 33
    assert batcher.called == 3 and set(batcher.asked.values()) == {1}


def test_a_batch_whose_answer_was_lost_is_found_by_its_token(tmp_path, batcher):
    """Behind others in a list of several pages; one that was never made is made once more."""
    for n in range(5):
        batcher.files["x"] = b""
        batcher.create({"input_file_id": "x", "metadata": {"winsweep": f"another's {n}"} if n % 2 else None})
    batcher.faults["POST batches$"] = ["lost", "dropped"]
    assert len(judge(make_pairs(20), tmp_path)) == 20 and set(batcher.asked.values()) == {1}
    assert len(judge(make_pairs(40), tmp_path)) == 40 and set(batcher.asked.values()) == {1}
    batcher.work_off()
    assert set(batcher.asked.values()) == {1}
    assert len(batcher.batches) == 7 and batcher.calls.count("POST batches") == 3


def test_what_expired_is_asked_again(tmp_path, batcher):
    batcher.ends = ["expired", "expired", "completed"]
    assert len(judge(make_pairs(40), tmp_path)) == 40
    assert set(batcher.good.values()) == {1} and [len(b["_lines"]) for b in batcher.batches.values()] == [40, 20, 10]


def test_a_batch_that_takes_too_long_is_cancelled_and_asked_again(tmp_path, batcher, monkeypatch):
    monkeypatch.setattr(batch_visit, "LATE_S", 0.0)
    batcher.ends = ["stays"]
    assert len(judge(make_pairs(10), tmp_path)) == 10
    assert batcher.batches["batch_0000"]["status"] == "cancelled" and set(batcher.good.values()) == {1}


def test_too_many_waiting_tokens_make_smaller_batches_later(tmp_path, batcher):
    batcher.most_tokens = 4000
    assert len(judge(make_pairs(24), tmp_path)) == 24 and set(batcher.asked.values()) == {1}
    kinds = [b["status"] for b in batcher.batches.values()]
    assert kinds[0] == "failed" and kinds.count("completed") > 2
    sizes = [
        sum(len(json.dumps(line)) for line in b["_lines"]) for b in batcher.batches.values() if b["status"] != "failed"
    ]
    assert max(sizes) / 4 <= 4000


def test_a_budget_holds_for_what_is_on_its_way_at_the_batch_price(tmp_path, batcher, priced):
    """As many as their worst case allows are sent; the rest when less was used; and at last it is said."""
    priced("m: {input: 1, output: 0, batch: 0.5}")
    pairs = make_pairs(20)
    one = batch_files.request(alpaca.judge(asking.options("m")), "0" * 64, question_of(pairs[0])).tokens[0] / 2e6
    asked = asking.options("m", batch=True, dollars=8.2 * one)
    rows: list[dict] = []
    batcher.usage = lambda prompt: len(prompt) // 8  # half of what is reserved
    with pytest.raises(JudgeRefused, match=r"the budget of \$0\.00\d+ is used up .*; raise dollars: in limits"):
        alpaca.annotate(pairs, asked, rows.extend, asking.ledger_of(tmp_path, asked))
    spent = sum(batcher.used.values()) / 2e6
    assert 14 <= len(rows) <= 17 and len(batcher.batches) > 1 and 7.2 * one < spent <= 8.2 * one
    ledger = asking.ledger_of(tmp_path, asked)
    ledger.find(())
    assert Spending("m", asked.limits, ledger).dollars == pytest.approx(spent)
    assert Spending("m", asked.limits, None).dollars == 0


def test_the_full_price_is_counted_where_none_for_batches_is_known(tmp_path, batcher, priced, capsys):
    priced("m: {input: 1, output: 1}")
    asked, rows = asking.options("m", batch=True, dollars=1.0), []
    alpaca.annotate(make_pairs(3), asked, rows.extend, ledger := asking.ledger_of(tmp_path, asked))
    ledger.find(())
    used = sum(batcher.used.values()) + 3
    assert Spending("m", asked.limits, ledger).dollars == pytest.approx(used / 1e6)
    assert "has no batch share for this model: the full price is counted" in capsys.readouterr().out


def test_a_stop_leaves_at_once_and_loses_nothing(tmp_path, batcher):
    batcher.ends, batcher.retry_after = ["stays"], 3.0

    def keep(rows: list[dict]) -> None:
        if batcher.batches and time.monotonic() > since + 0.3:
            raise Stopped("preempted")

    asked, since = asking.options(batch=True), time.monotonic()
    with pytest.raises(Stopped):
        alpaca.annotate(make_pairs(9), asked, keep, asking.ledger_of(tmp_path, asked))
    assert time.monotonic() - since < 2.5  # below the wait
    batcher.batches["batch_0000"]["_end"], batcher.retry_after = "completed", 0.01
    assert len(judge(make_pairs(9), tmp_path)) == 9 and set(batcher.asked.values()) == {1}
