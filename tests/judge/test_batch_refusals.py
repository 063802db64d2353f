"""What an endpoint says instead of answering a batch, and what a person reads of it."""

import pytest

from winsweep.errors import BadData, BadStudy, JudgeFailed, JudgeRefused, Waiting
from winsweep.judge import batches
from winsweep.judges import alpaca

from . import asking
from .batch_server import Handler
from .batching import judge, question_key
from .conftest import KEY
from .pairs import make_pairs


def test_a_batch_that_a_person_cancelled_is_said_and_not_sent_again_unasked(tmp_path, batcher):
    batcher.ends = ["cancelled"]
    with pytest.raises(JudgeRefused, match="batch batch_0000 was cancelled at the endpoint, not by winsweep; 5 of 10"):
        judge(make_pairs(10), tmp_path)
    assert len(batcher.batches) == 1
    assert len(judge(make_pairs(10), tmp_path)) == 10 and set(batcher.good.values()) == {1}


REFUSALS = [
    (
        {"code": "model_not_found", "message": "The model m is not available for batches."},
        "model_not_found: The model m",
    ),
    ({"code": "billing_hard_limit_reached", "message": "Limit reached."}, "add credit to the account"),
    (None, "was refused: without a reason"),
    ([["deep"]], "was refused: without a reason"),
    ({"code": 7, "line": "x", "message": {"a": KEY}}, "batch_0000 was refused: 7"),
]


@pytest.mark.parametrize(("error", "told"), REFUSALS)
def test_a_batch_that_is_refused_is_said_with_its_reasons(tmp_path, batcher, error, told):
    batcher.ends = [{"status": "failed", "errors": {"data": [error]} if error else None}]
    with pytest.raises(JudgeRefused, match=told) as said:
        judge(make_pairs(5), tmp_path)
    assert len(batcher.batches) == 1 and not batcher.asked and KEY not in str(said.value)


def test_lines_that_are_refused_are_named_and_the_others_asked(tmp_path, batcher):
    error = {"code": "invalid_request", "line": 2, "message": "this prompt is no good"}
    batcher.ends = [{"status": "failed", "errors": {"data": [error]}}]
    with pytest.raises(JudgeRefused, match="1 of 10 pairs have no preference: #1 'Question 1.*this prompt is no good"):
        judge(make_pairs(10), tmp_path)
    assert sum(batcher.good.values()) == 9 and [len(b["_lines"]) for b in batcher.batches.values()] == [10, 9]


@pytest.mark.parametrize(
    "words", [("context_length_exceeded", "too long"), ("bad", "This model's maximum context length")]
)
def test_a_prompt_that_is_too_long_is_told_with_what_to_type(tmp_path, batcher, words):
    error = {"code": words[0], "line": 2, "message": words[1]}
    batcher.ends = [{"status": "failed", "errors": {"data": [error]}}]
    with pytest.raises(JudgeRefused, match="name a judge in judge: that reads longer prompts, or shorter answers"):
        judge(make_pairs(4), tmp_path)


def test_refusals_of_one_line_after_another_end(tmp_path, batcher):
    batcher.ends = [{"status": "failed", "errors": {"data": [{"code": "bad", "line": 1, "message": "no"}]}}] * 9
    with pytest.raises(JudgeRefused, match="the last 3 batches were refused: bad: no"):
        judge(make_pairs(10), tmp_path)
    assert len(batcher.batches) == 3
    batcher.ends = []
    assert len(judge(make_pairs(10), tmp_path)) == 10


def test_rejected_and_unreadable_questions_are_given_up_after_their_turns(tmp_path, batcher):
    """And are asked as often again, once a person was told and asks for more."""
    bad = question_key(make_pairs(6)[4])
    for kind, turns, told in (("400", 2, "HTTP 400.*this prompt was refused"), ("other tokens", 4, "other tokens")):
        batcher.choose = lambda key, nth, kind=kind: kind if key == bad else "ok"
        for num in (1, 2):
            with pytest.raises(
                JudgeRefused, match=rf"1 of 6 pairs have no preference: #4 'Question 4\?': .*{told}"
            ) as e:
                judge(make_pairs(6), tmp_path / kind)
            assert ("needs no log-probabilities" in str(e.value)) is (kind != "400")
            assert batcher.asked[bad] == num * turns
        assert sum(batcher.asked.values()) == 5 + 2 * turns and not batcher.asked.clear()


def test_an_endpoint_without_batches_is_said(tmp_path, batcher):
    batcher.faults["POST files"] = [404]
    with pytest.raises(JudgeRefused, match="HTTP 404.*name an endpoint with a Batch API in OPENAI_BASE_URL"):
        judge(make_pairs(3), tmp_path)


@pytest.mark.parametrize(
    ("at", "status", "error"), [("POST files", 401, JudgeRefused), ("POST files", 503, JudgeFailed)]
)
def test_a_key_is_refused_at_once_and_a_busy_endpoint_later(tmp_path, batcher, at, status, error):
    batcher.faults[at] = [status] * 50
    with pytest.raises(error, match="a file of 3 requests was not taken: HTTP") as told:
        judge(make_pairs(3), tmp_path)
    assert type(told.value) is error and len(batcher.calls) == (1 if status == 401 else batches.UPLOADS)


def test_another_address_does_not_send_again_what_is_on_its_way(tmp_path, batcher, monkeypatch):
    batcher.ends, batcher.retry_after = ["stays"], 60.0
    with pytest.raises(Waiting):
        judge(make_pairs(3), tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", batcher.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(JudgeRefused, match="batch_0000 was sent to another address than http://localhost") as told:
        judge(make_pairs(3), tmp_path)
    assert "127.0.0.1" not in str(told.value)  # a record is no place to learn from where a key may go


def test_a_damaged_record_is_named(tmp_path, batcher):
    batcher.ends, batcher.retry_after = ["stays"], 60.0
    with pytest.raises(Waiting):
        judge(make_pairs(3), tmp_path)
    (path,) = tmp_path.glob(".judged/*/batches/*.json")
    said = path.read_text()
    for word in ("batch_0000", "file-in-0", path.stem):
        path.write_text(said.replace(word, "../../x"))
        with pytest.raises(BadData, match=r"batches/.*: found names in it that are not of a batch"):
            judge(make_pairs(3), tmp_path)
    path.write_text(said)
    keys = path.with_suffix(".keys").rename(tmp_path / "away")
    with pytest.raises(BadData, match=r"\.keys: which questions the batch has cannot be read"):
        judge(make_pairs(3), tmp_path)
    keys.rename(path.with_suffix(".keys"))
    path.write_text("{")
    with pytest.raises(BadData, match=r"batches/.*: found no batch in it \(JSONDecodeError\); .*move it away"):
        judge(make_pairs(3), tmp_path)


def test_without_a_store_there_are_no_batches(batcher):
    with pytest.raises(BadStudy, match="batch: true needs a store"):
        alpaca.annotate(make_pairs(2), asking.options(batch=True), lambda rows: None)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"id": "../../x"}', b"[" * 99999, b'{"id": "b", "status": 7}', b"\xff"]
)
def test_hostile_answers_about_batches_end_in_words(tmp_path, batcher, body, monkeypatch):
    """Whatever stands where a file, a batch or a list should be."""
    act = Handler.act
    for at in ("POST files", "GET batches/"):
        with monkeypatch.context() as patch:

            def hostile(self, owner, path, sent, at=at):
                return (200, body) if f"{self.command} {path}".startswith(at) else act(self, owner, path, sent)

            patch.setattr(Handler, "act", hostile)
            if at == "GET batches/" and b"status" in body:
                continue  # a batch in a state that nobody knows is on its way
            with pytest.raises(JudgeFailed) as told:
                judge(make_pairs(2), tmp_path / at[:4])
            assert KEY not in str(told.value) and len(str(told.value)) < 2000
