"""Endpoints and proxies that are broken rather than slow: no key is kept, nothing that was paid is paid again while it
may still be fetched.
"""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from winsweep.errors import BadStudy, JudgeFailed
from winsweep.judge import batch_api, batch_records, batch_visit, replies, words
from winsweep.judge import endpoint as door
from winsweep.judge.batch_records import Record
from winsweep.judge.failure import Failure
from winsweep.judge.limits import Limits

from . import batching
from .asking import judge, options
from .batch_server import Handler
from .conftest import KEY
from .hostile import HEAD, completion, sent, top
from .pairs import make_pairs

GOOD = completion(top("-0.3", "-2.0"))


def test_a_key_that_is_a_plain_word_may_be_in_an_answer():
    assert words.repeats(f"x {KEY} y".encode(), KEY, "gpt")
    assert not words.repeats(b"lm-studio says", "lm-studio", "m")
    assert not words.repeats(b"our-own-judge-model-7b", "our-own-judge-model-7b", "our-own-judge-model-7b")


@pytest.mark.parametrize("message", ["\u3316" * 4000, "a" * 100_000, "*" * 50_000, "a1" * 5000])
def test_long_words_of_an_endpoint_are_cleaned_at_once(message):
    begun = time.process_time()
    assert len(words.clean(message, [KEY])) <= words.LONGEST
    assert time.process_time() - begun < 2.0


def test_a_prompt_of_no_tokens_was_not_counted():
    assert replies._tokens({"prompt_tokens": 0, "completion_tokens": 0}) is None
    assert replies._tokens({"prompt_tokens": 1, "completion_tokens": 0}) == (1, 0)


@pytest.mark.parametrize("url", ["http://x..y/v1", "http://.../v1", f"http://{'a' * 70}.com/v1"])
def test_a_host_that_is_no_name_is_said_before_any_call(url, endpoint, tmp_path, monkeypatch):
    endpoint(sent(GOOD))
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(BadStudy, match="OPENAI_BASE_URL: found UnicodeError; legal is https"):
        judge(make_pairs(1), options(), tmp_path)


def test_a_proxys_password_is_in_no_message_and_a_host_that_is_none_is_told(endpoint, tmp_path, monkeypatch):
    url, _ = endpoint(sent(b"user u with password canary-0123 may not", "403 Forbidden"))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://judge.example/v1")
    monkeypatch.setenv("http_proxy", url.replace("//", "//u:canary-0123@").removesuffix("/v1"))
    with pytest.raises(JudgeFailed, match="HTTP 403 Forbidden") as told:
        judge(make_pairs(1), options(), tmp_path)
    assert "canary" not in str(told.value)
    monkeypatch.setenv("http_proxy", "http://u:canary-0123@x..y:1")
    with pytest.raises(JudgeFailed, match="the host of the proxy is no name.*correct HTTPS_PROXY") as told:
        judge(make_pairs(1), options(), tmp_path)
    assert "canary" not in str(told.value)


@pytest.mark.parametrize("fault", [503, "dropped", "short", "lost"])
def test_answers_that_cannot_be_fetched_for_a_while_are_not_paid_again(fault, tmp_path, batcher):
    batcher.faults["GET files/"] = [fault] * 12
    assert len(batching.judge(make_pairs(4), tmp_path)) == 4
    assert len(batcher.batches) == 1 and set(batcher.asked.values()) == {1}


def test_answers_that_never_come_are_told_and_the_batch_stays_open(tmp_path, batcher, monkeypatch):
    monkeypatch.setattr(batch_visit, "UNHEARD_S", 0.1)
    batcher.faults["GET files/"] = [503] * 10_000
    with pytest.raises(JudgeFailed, match="is completed, and its answers cannot be fetched: HTTP 503"):
        batching.judge(make_pairs(3), tmp_path)
    batcher.faults.clear()
    assert len(batching.judge(make_pairs(3), tmp_path)) == 3 and len(batcher.batches) == 1


def test_files_of_another_batch_end_nothing(tmp_path, batcher, monkeypatch):
    monkeypatch.setattr(batch_visit, "UNHEARD_S", 0.1)
    act = Handler.act

    def other(self, owner, path, body):
        status, said = act(self, owner, path, body)
        return status, b'{"custom_id": "x"}\n' * 3 if path.startswith("files/") else said

    with monkeypatch.context() as patch:
        patch.setattr(Handler, "act", other)
        with pytest.raises(JudgeFailed, match="its files have 3 lines, and none about its questions"):
            batching.judge(make_pairs(3), tmp_path)
    assert len(batching.judge(make_pairs(3), tmp_path)) == 3 and len(batcher.batches) == 1


def test_an_output_that_is_named_late_is_waited_for(tmp_path, batcher, monkeypatch):
    monkeypatch.setattr(batch_visit, "PART_S", 60.0)
    shown, looks = batcher.shown, []

    def late(name: str) -> dict:
        looks.append(name)
        return shown(name) | ({"output_file_id": None} if len(looks) < 9 else {})

    batcher.shown = late
    assert len(batching.judge(make_pairs(3), tmp_path)) == 3 and len(batcher.batches) == 1


def test_a_drip_about_batches_ends_with_the_time_out(endpoint):
    def drip(client) -> None:
        client.sendall(HEAD + b"Content-Length: 5000\r\n\r\n")
        for _ in range(200):
            client.sendall(b" ")
            time.sleep(0.05)

    endpoint(drip)

    async def look():
        async with door.connect("m", Limits(timeout_s=0.3)) as session:
            return await batch_api.look(session, "m", "batch_1")

    assert asyncio.run(look()) == Failure("passing", "TimeoutError")


def test_a_record_without_trouble_is_one_that_an_older_winsweep_reads(tmp_path):
    record = Record("a" * 32, "http://h", "file-1", 1, (9, 9), 1.0)
    batch_records.begin(tmp_path, record, ["0" * 64])
    assert "done" not in (path := tmp_path / f"{record.token}.json").read_text()
    batch_records.update(tmp_path, replace(record, done=2.0))
    assert batch_records.read(path).done == 2.0


def test_names_and_reasons_of_batches_tell_no_key_and_steer_no_terminal(tmp_path, batcher, monkeypatch, capsys):
    error = {"code": f"\x1b[2J{KEY}", "message": f"wrong key {KEY}\x1b[2J", "line": 1}
    batcher.ends = [{"status": "failed", "errors": {"data": [error]}}]
    with pytest.raises(JudgeFailed) as told:
        batching.judge(make_pairs(1), tmp_path)
    act = Handler.act

    def named(self, owner, path, body):
        status, said = act(self, owner, path, body)
        return status, json.dumps(json.loads(said) | {"id": KEY}).encode() if path in ("files", "batches") else said

    monkeypatch.setattr(Handler, "act", named)
    with pytest.raises(JudgeFailed, match="an answer that repeats OPENAI_API_KEY"):
        batching.judge(make_pairs(2), tmp_path / "named")
    texts = [str(told.value), capsys.readouterr().out, *(p.read_text() for p in tmp_path.rglob("*") if p.is_file())]
    assert not [text for text in texts if KEY in text or "\x1b" in text or "\\u001b" in text]
