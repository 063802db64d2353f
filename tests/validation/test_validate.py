"""`winsweep validate`: of a judge without a model, of a model on this machine, of an endpoint whose bias is known."""

import json
import math

import pytest

from tests.judge import tiny
from tests.judge.conftest import KEY
from tests.judge.server import FAULTS
from tests.validation.conftest import FIRST, LENGTH
from tests.validation.voted import card_of, published, validate, write
from winsweep.validation.leanings import TWICE

STUB = "{from: alpaca, model: stub, both_orders: false}"
CHECKED = 24 * 3 * 2  # questions of the built-in check: identical answers are not asked about


def test_reference_overlap_finds_the_better_answer_and_says_what_it_does_without_one(tmp_path, monkeypatch, capsys):
    """In the check it sees the known answer, as in a study; of votes without one it can only name the reference."""
    file = write(tmp_path / "votes.json", published(40))
    assert validate(monkeypatch, "reference_overlap", "--store", tmp_path / "s", "--votes", file) == 0
    card, said = card_of(tmp_path / "s"), capsys.readouterr()
    assert card["check"]["one_order"]["kinds"]["other"]["share"] == 1.0 and card["check"]["one_order"]["beaten"]
    assert card["check"]["identical"] == {"num": 48, "ties": 48} and card["check"]["same"] == ""
    assert card["votes"]["same"].startswith("the reference, whichever answer that is (100 % of 80 verdicts)")
    assert card["votes"]["one_order"]["agreement"]["share"] == 0.5
    assert "AGAINST THIS JUDGE: it says the same whatever it is asked: the reference" in said.out
    assert (
        "AGAINST THIS JUDGE: it is not better than chance by people's votes, so no win rate is calibrated" in said.out
    )
    assert "free" in said.err


def test_a_tiny_random_model_does_not_beat_the_check(tmp_path, monkeypatch, capsys):
    folder = tiny.make(tmp_path / "model")
    judge = f"{{from: local, path: {folder}, precision: fp32, batch: 4}}"
    monkeypatch.setattr("winsweep.validation.known.rows", lambda: SHORT)
    assert validate(monkeypatch, judge, "--store", tmp_path / "s") == 0
    card, said = card_of(tmp_path / "s"), capsys.readouterr().out
    assert "AGAINST THIS JUDGE: it does not beat the built-in check: against" in said
    assert not card["check"]["one_order"]["beaten"] and card["votes"] is None
    assert card["check"]["took"]["tokens_per_1000"] > 1000 and card["check"]["took"]["dollars_per_1000"] == 0
    assert "no people's votes yet: --votes FILE" in said


SHORT = [
    {"instruction": f"Say {n} things.", "output": f"Models write {n}. It is long. It ends.", "dataset": "s"}
    for n in range(3)
]


def test_the_bias_of_an_endpoint_is_found_and_nothing_is_paid_for_twice(tmp_path, monkeypatch, stub, capsys):
    file = write(tmp_path / "votes.json", published(150))
    words = (STUB, "--store", tmp_path / "s", "--votes", file)
    assert validate(monkeypatch, *words, "--dry-run") == 0
    assert not stub.requests and f"{CHECKED + 300} judgements" in capsys.readouterr().err
    assert not list(tmp_path.glob("s/.judged/*/card-*"))
    assert validate(monkeypatch, *words) == 0
    assert len(stub.requests) == CHECKED + 300
    card, said = card_of(tmp_path / "s"), capsys.readouterr().out
    for name, logit in (("first", FIRST), ("length", TWICE * LENGTH)):
        of = card["votes"]["leanings"][name]
        assert of["low"] < 1 / (1 + math.exp(-logit)) < of["high"] and of["high"] - of["low"] < 0.2
    assert set(card["votes"]["leanings"]) == {"first", "length"}
    # people voted by a coin and not by length: the judge agrees with them by chance
    assert card["votes"]["one_order"]["agreement"]["low"] < 0.5 < card["votes"]["one_order"]["agreement"]["high"]
    assert card["votes"]["ceiling"]["share"] > 0.7 and card["votes"]["both_orders"]["kappa"]["low"] < 0
    assert "is not better than chance by people's votes" in said and "changes its verdict with the order" in said
    assert card["votes"]["took"]["num_new"] == 300 and card["votes"]["took"]["tokens_per_1000"] > 0
    assert validate(monkeypatch, *words) == 0 and len(stub.requests) == CHECKED + 300
    again = card_of(tmp_path / "s")
    assert again["votes"]["took"]["seconds_per_1000"] == card["votes"]["took"]["seconds_per_1000"]
    assert again["votes"]["one_order"] == card["votes"]["one_order"]
    assert f"0 judgements, {CHECKED + 300} more are known already" in capsys.readouterr().err
    assert KEY not in json.dumps(again)


def test_a_card_keeps_its_votes_when_only_the_check_is_made_again(tmp_path, monkeypatch, stub):
    file = write(tmp_path / "votes.json", published(6))
    assert validate(monkeypatch, STUB, "--store", tmp_path / "s", "--votes", file) == 0
    both = "{from: alpaca, model: stub, both_orders: true, limits: {in_flight: 2}}"
    assert validate(monkeypatch, both, "--store", tmp_path / "s") == 0
    assert card_of(tmp_path / "s")["votes"]["pairs"] == 6 and len(stub.requests) == CHECKED + 12


def test_a_budget_holds(tmp_path, monkeypatch, stub, capsys):
    monkeypatch.setattr("winsweep.judge.client.NUM_PROBES", 1)
    judge = "{from: alpaca, model: gpt-4.1-2025-04-14, limits: {dollars: 0.002, in_flight: 1}}"
    assert validate(monkeypatch, judge, "--store", tmp_path / "s") == 2
    assert "the budget of $0.0020 is used up" in capsys.readouterr().err
    assert 0 <= len(stub.requests) < 20 and not list(tmp_path.glob("s/.judged/*/card-*"))


def test_a_budget_holds_over_both_orders(tmp_path, monkeypatch, stub, capsys):
    """The second order is asked by another call of the judge, which must count what the first one paid."""
    price = 2.0 / 1e6  # of gpt-4.1's prompts; its replies are one token here
    assert validate(monkeypatch, "{from: alpaca, model: gpt-4.1}", "--store", tmp_path / "free") == 0
    whole = price * sum(len(body["messages"][-1]["content"]) for body in stub.requests)
    num, stub.requests[:] = len(stub.requests), []
    judge = f"{{from: alpaca, model: gpt-4.1, limits: {{dollars: {0.75 * whole:.4f}, in_flight: 1}}}}"
    assert validate(monkeypatch, judge, "--store", tmp_path / "capped") == 2
    assert "is used up" in capsys.readouterr().err and num / 2 < len(stub.requests) < 0.8 * num


def test_what_an_endpoint_does_not_answer_is_an_error_and_what_it_did_is_kept(tmp_path, monkeypatch, stub, capsys):
    assert "other tokens" in FAULTS
    stub.faults = {"bicycle tyre": ["other tokens"]}
    assert validate(monkeypatch, STUB, "--store", tmp_path / "s") == 2
    assert "pairs have no preference" in capsys.readouterr().err and not list(tmp_path.glob("s/.judged/*/card-*"))
    stub.faults = {}
    assert validate(monkeypatch, STUB, "--store", tmp_path / "s") == 0
    assert sum(stub.paid.values()) == CHECKED and set(stub.paid.values()) <= {0, 1}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "found no judge; legal is JUDGE or --study STUDY.yaml"),
        (["no_such_judge"], "no file no_such_judge.py in judges/"),
        (["reference_overlap", "--study", "x.yaml"], "found both; legal is JUDGE or --study"),
        (["reference_overlap", "--votes", "none.json"], "--votes: no file at none.json"),
        (["reference_overlap", "--votes", "{url: 'ftp://x/y', sha256: '12'}"], "legal are http"),
        (["reference_overlap", "--votes", "{hf_id: x}"], "found the keys hf_id; legal are a path"),
        (["reference_overlap", "--votes", "{url: 1"], "is no mapping of texts"),
    ],
)
def test_what_cannot_be_is_said_in_words(tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    assert validate(monkeypatch, *words, "--store", tmp_path / "s") == 2
    assert told in capsys.readouterr().err


def test_votes_of_the_web_are_fetched_once_and_known_by_their_content(tmp_path, monkeypatch, capsys):
    import hashlib
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "cache"))
    file = write(tmp_path / "votes.json", published(8))
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/votes.json"
    try:
        wrong = f"{{url: '{url}', sha256: '{'0' * 64}'}}"
        assert validate(monkeypatch, "reference_overlap", "--store", tmp_path / "s", "--votes", wrong) == 2
        assert "found content with sha256" in capsys.readouterr().err
        named = f"{{url: '{url}', sha256: '{sha}'}}"
        assert validate(monkeypatch, "reference_overlap", "--store", tmp_path / "s", "--votes", named) == 0
    finally:
        server.shutdown()
        server.server_close()
    assert validate(monkeypatch, "reference_overlap", "--store", tmp_path / "s", "--votes", named) == 0
    assert card_of(tmp_path / "s")["votes"]["source"] == [{"name": url, "sha256": sha}]


def test_a_jury_has_a_card_of_its_own(tmp_path, monkeypatch, capsys):
    """Its members know a pair by its instruction, of which the check has several."""
    words = "{from: jury, judges: [reference_overlap, {from: reference_overlap, margin: 0.2}]}"
    assert validate(monkeypatch, words, "--store", tmp_path / "s") == 0
    assert card_of(tmp_path / "s")["judge"] == "jury"
    assert capsys.readouterr().err.count("judge reference_overlap: 192 judgements; free") == 2
