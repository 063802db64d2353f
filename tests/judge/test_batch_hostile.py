"""Records, lists and clocks that lie: no batch is paid twice, nothing that was paid is lost."""

import json
import time
from dataclasses import replace

import pytest

from winsweep import batch_lines
from winsweep.errors import BadData, JudgeFailed, Waiting
from winsweep.judge import batch_files, batch_records, batch_visit, failure
from winsweep.judge.batch_records import Record
from winsweep.judge.batch_turn import Turn
from winsweep.judge.ledger import Ledger
from winsweep.judge.questions import Judgement, Question
from winsweep.judges import alpaca

from . import asking
from .batch_server import Handler
from .batching import judge
from .pairs import make_pairs

TOKEN = "a" * 32


def lost(batcher, monkeypatch, said) -> None:
    """The answer to the first request for a batch is lost; `said` makes of the list of batches what is sent."""
    act, batcher.faults["POST batches$"] = Handler.act, ["lost"]

    def other(self, owner, path, body):
        status, found = act(self, owner, path, body)
        return (
            (status, json.dumps(said(json.loads(found))).encode()) if path.startswith("batches?") else (status, found)
        )

    monkeypatch.setattr(Handler, "act", other)


LISTS = [
    lambda found: {},
    lambda found: {"data": None, "has_more": False},
    lambda found: {"data": 5},
    lambda found: {"items": found["data"], "has_more": False},
    lambda found: {"data": [7], "has_more": False},
    lambda found: {"data": []},
    lambda found: {"data": [{"id": "other", "created_at": 2e9}], "has_more": True},
    lambda found: {"data": [{"id": "../x"}], "has_more": True},
    lambda found: {"data": [{"id": "x", "created_at": float("nan")}] * 2, "has_more": True},
    lambda found: {"data": [{"id": "x", "created_at": 1}, {"id": "y", "created_at": 2}], "has_more": True},
    lambda found: {"data": [b | {"id": None} for b in found["data"]], "has_more": False},
]


@pytest.mark.parametrize("said", LISTS)
def test_a_batch_is_not_made_twice_while_the_list_may_have_it(tmp_path, batcher, monkeypatch, said):
    monkeypatch.setattr(batch_visit, "UNKNOWN_S", 0.3)
    lost(batcher, monkeypatch, said)
    with pytest.raises(JudgeFailed, match=r"whether the endpoint made a batch.* is not known.*move .*\.json away"):
        judge(make_pairs(3), tmp_path)
    assert batcher.calls.count("POST batches") == len(batcher.batches) == 1


@pytest.mark.parametrize("without", ["metadata", "status"])
def test_a_lost_batch_is_found_by_its_file_and_without_a_status(tmp_path, batcher, monkeypatch, without):
    lost(
        batcher,
        monkeypatch,
        lambda found: found | {"data": [{k: v for k, v in b.items() if k != without} for b in found["data"]]},
    )
    assert len(judge(make_pairs(3), tmp_path)) == 3 and len(batcher.batches) == 1


def test_a_batch_that_the_whole_list_lacks_is_asked_for_again(tmp_path, batcher):
    batcher.faults["POST batches$"] = ["dropped"]
    assert len(judge(make_pairs(3), tmp_path)) == 3 and len(batcher.batches) == 1


@pytest.mark.parametrize("then", ["gone", "part", "no output"])
def test_what_a_batch_answered_stays_whatever_a_second_visit_gets(tmp_path, batcher, monkeypatch, then):
    """The process ends between the ledger and the record; the next one finds less."""

    def die(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch_visit, "_end", die)
        with pytest.raises(KeyboardInterrupt):
            judge(make_pairs(4), tmp_path)
    (path,) = tmp_path.rglob("batch-*.jsonl")
    before, (batch,) = path.read_bytes(), batcher.batches.values()
    if then == "gone":
        del batcher.files[batch["output_file_id"]]
    elif then == "part":
        batcher.files[batch["output_file_id"]] = batcher.files[batch["output_file_id"]].split(b"\n")[0] + b"\n"
    else:
        batch["output_file_id"] = None
    monkeypatch.setattr(batch_visit, "PART_S", 0.0)
    (folder,) = tmp_path.glob(".judged/*/batches")
    (left,) = batch_records.open_ones(folder)
    batch_records.update(folder, replace(left, written=1.0, looked=0.0))  # so that others look at it, too
    assert len(judge(make_pairs(5), tmp_path)) == 5 and not batch_records.open_ones(folder)
    assert path.read_bytes() == before and set(batcher.asked.values()) == {1}


def test_a_batch_taken_in_again_adds_what_is_new(tmp_path):
    ledger = Ledger(tmp_path / ".judged" / "j", {"judge": "j"})
    asked = [Question(f"q{num}", "a", "b") for num in range(3)]
    keys = [q.key(ledger.judge) for q in asked]
    said = Judgement(1.0, {}, "m", "2026-11-29", (5, 1), "")
    assert ledger.add_batch(TOKEN, {keys[0]: said, keys[1]: said}, [(3, 1)]) == set(keys[:2])
    for _ in range(2):
        assert ledger.add_batch(TOKEN, {keys[1]: said, keys[2]: said}, [(3, 1), (4, 1)]) == set(keys)
    reader = Ledger(ledger.folder, ledger.known)
    assert reader.find(asked).keys() == set(asked) and reader.batch_tokens == [5 * 3 + 3 + 4, 3 + 2]


def test_a_batch_in_chinese_sets_aside_what_it_can_cost():
    asked = alpaca.judge(asking.options())
    english, chinese = (
        batch_files.request(asked, "0" * 64, Question(text, text, text)).tokens[0]
        for text in ("word " * 80, "的" * 400)
    )
    assert chinese - english == pytest.approx(3 * (400 - 400 / 4), abs=2)


RECORDS = [
    {"tokens": [-5, 10]},
    {"tokens": [float("nan"), 1]},
    {"tokens": [10**13, 1]},
    {"tokens": None},
    {"tokens": [1.5, 1]},
    {"tokens": 5},
    {"batch": None},
    {"posted": "x"},
    {"posted": 1e300},
    {"written": "x"},
    {"in_vain": []},
    {"in_vain": {"x": 1}},
    {"num": 0},
    {"num": True},
    {"completed": "\x1b[2J"},
    {"status": None},
]


def record(folder, **fields):
    """A record on disk, with these fields."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"token": TOKEN, "endpoint": "e", "input_file": "f", "num": 2, "tokens": [9, 9], "written": time.time()}
    (folder / f"{TOKEN}.json").write_text(json.dumps(told | fields))
    return folder / f"{TOKEN}.json"


@pytest.mark.parametrize("fields", RECORDS)
def test_a_record_that_cannot_be_is_named_with_what_to_do(tmp_path, fields):
    record(tmp_path)
    assert [r.tokens for r in batch_records.records(tmp_path)] == [(9, 9)]
    path = record(tmp_path, **fields)
    with pytest.raises(BadData, match=rf"{path}: found .* in it that are not of a batch; .*move it away"):
        batch_records.records(tmp_path)
    told = json.loads(path.read_text())
    del told["tokens"]
    path.write_text(json.dumps(told))
    with pytest.raises(BadData, match="found no batch in it"):
        batch_records.records(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadData, match="found no batch in it"):
        batch_records.records(tmp_path)


def test_the_words_of_a_status_are_shown_without_what_a_screen_follows(tmp_path):
    record(tmp_path, status="\x1b[2Jdone")
    assert "\x1b" not in batch_records.told(batch_records.records(tmp_path)[0])
    assert "\x1b" not in batch_lines._told(batch_records.records(tmp_path)[0])


def test_no_wait_is_longer_than_a_day(tmp_path, batcher):
    far = {"retry-after": "1e300"}, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, {"retry-after-ms": "9e99"}
    assert [failure.retry_after(headers) for headers in far] == [86400.0] * 3
    batcher.ends, batcher.retry_after = ["stays"], 1e300
    with pytest.raises(Waiting):
        judge(make_pairs(2), tmp_path)


def test_a_clock_that_was_set_back_stops_nothing_for_a_year():
    now = time.time()
    ahead = Record(TOKEN, "e", "f", 2, (10, 10), now, over=batch_visit.LIMITED, ended=now + 365 * 86400)
    soon = Record(TOKEN, "e", "f", 2, (10, 10), now, over=batch_visit.LIMITED, ended=now + 3600)
    assert batch_visit.most_waiting([ahead], now) == (float("inf"), 0.0)
    assert batch_visit.most_waiting([soon], now) == (10, batch_visit.PAUSE_S)


@pytest.mark.parametrize("content", [b"garbage", b"\xff", None])
def test_a_turn_of_nobody_is_named_and_files_that_are_no_turn_do_no_harm(tmp_path, content):
    turns = tmp_path / "turns"
    turns.mkdir()
    (turns / "²").write_text("x")
    (turns / "000000").mkdir()
    for _ in range(3):
        with Turn(tmp_path) as ours:
            assert ours
    path = turns / "000004"
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(BadData, match="000004: found nobody's name in it.*move it away"), Turn(tmp_path):
        pass
