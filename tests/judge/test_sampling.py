"""Verdicts that are sampled where an endpoint gives no log-probabilities: their mean, its error, and what is said."""

import itertools
import json
from statistics import stdev

import pytest

from winsweep import keys
from winsweep.errors import BadStudy, JudgeRefused
from winsweep.judge import prices
from winsweep.judge.ledger import Ledger, place
from winsweep.judge.limits import Limits
from winsweep.judge.questions import drift, sampled
from winsweep.judges import alpaca, chain_of_thought, gpt_6_luna
from winsweep.stats import comparison

from . import server as loopback
from .pairs import make_pair, make_pairs


def written(texts):
    """A server that writes the next of `texts` for each request, without log-probabilities."""
    told = itertools.cycle(texts)

    def say(body: dict, kind: str) -> str:
        choice = {"message": {"role": "assistant", "content": next(told)}, "logprobs": None}
        return json.dumps({"model": body["model"], "choices": [choice], "usage": {}})

    return say


def ask(module, pairs: list[dict], options, tmp_path) -> list[dict]:
    rows: list[dict] = []
    ledger = Ledger(*place(tmp_path, "x", 1, module.identity(options)))
    module.annotate(pairs, options, rows.extend, ledger)
    return sorted(rows, key=lambda row: [p["instruction"] for p in pairs].index(row["instruction"]))


def test_a_preference_is_the_mean_of_its_verdicts_and_more_of_them_ask_only_for_the_rest(server, monkeypatch, tmp_path):
    monkeypatch.setattr(loopback, "completion_text", written(["m", "M", "m", "m"]))
    pair = make_pair("Who?", "the reference", "the candidate")
    one = Limits(in_flight=1)
    (row,) = ask(alpaca, [pair], alpaca.Options(model="m", samples=4, limits=one), tmp_path)
    share_first = 0.75
    assert row["preference"] in (2 - share_first, 1 + share_first) and row["samples"] == "4"
    assert row["preference_standard_error"] == pytest.approx(stdev([1, 2, 1, 1]) / 2)
    assert len(row["raw_completion"]) == 4 and row["verdicts"] == "sampled"
    assert "logprobs" not in server.requests[0] and "top_logprobs" not in server.requests[0]
    ask(alpaca, [pair], alpaca.Options(model="m", samples=6, limits=one), tmp_path)
    assert len(server.requests) == 6
    rows = ask(alpaca, [pair], alpaca.Options(model="m", samples=4, both_orders=True, limits=one), tmp_path)
    assert len(server.requests) == 10 and len(rows[0]["raw_completion"]) == 8
    assert sum(rows[0]["preferences_by_order"]) / 2 == rows[0]["preference"]


def test_the_rows_and_the_table_say_so(server, monkeypatch, tmp_path):
    monkeypatch.setattr(loopback, "completion_text", written(["m", "M"]))
    pairs = [*make_pairs(5), make_pair("Same?", "one", "one")]
    rows = ask(gpt_6_luna, pairs, gpt_6_luna.Options(samples=2, limits=Limits(in_flight=1)), tmp_path)
    note = comparison.score(rows, [p["instruction"] for p in pairs], None).columns["note"]
    told = "verdicts were sampled, 2 for each order of a pair: a preference is off by 0.50 on average by that"
    assert told in note and sampled(rows) == told and sampled([{"samples": "2"}, {}]) == ""


def test_verdicts_in_brackets_are_sampled_too(server, monkeypatch, tmp_path):
    monkeypatch.setattr(loopback, "completion_text", written(["so [[A]]", "so [[C]]"]))
    options = chain_of_thought.Options("m", samples=2, both_orders=True, limits=Limits(in_flight=1))
    (row,) = ask(chain_of_thought, make_pairs(1), options, tmp_path)
    assert row["preferences_by_order"] == [1.25, 1.75] and row["preference"] == 1.5
    plain = chain_of_thought.identity(chain_of_thought.Options("m"))
    assert place(tmp_path, "x", 1, plain) == place(tmp_path, "x", 1, chain_of_thought.identity(options))


def test_without_log_probabilities_the_error_says_what_to_type(server, tmp_path):
    server.choose = lambda prompt, nth: "no logprobs"
    with pytest.raises(JudgeRefused) as caught:
        ask(alpaca, make_pairs(5), alpaca.Options(model="m"), tmp_path)
    told = str(caught.value)
    assert "no log-probabilities in the reply" in told and "type samples: 8 beside from: in judge:" in told
    assert "judge: {from: chain_of_thought, model: NAME}" in told


def test_another_text_than_a_name_is_no_verdict(server, monkeypatch, tmp_path):
    monkeypatch.setattr(loopback, "completion_text", written(["The"]))
    with pytest.raises(JudgeRefused, match="another text than m or M in the reply"):
        ask(alpaca, make_pairs(4), alpaca.Options(model="m", samples=2), tmp_path)


def test_samples_that_would_be_alike_are_refused(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "p.txt").write_text("<|im_start|>user\n{instruction}{output_1}{output_2}<|im_end|>")
    config = "mine: {prompt_template: mine/p.txt, fn_completions: openai_completions, completions_kwargs: {%s}}"
    for said, told in (("model_name: m, temperature: 0", "temperature is 0"), ("model_name: m, seed: 3", "seed is")):
        (folder / "configs.yaml").write_text(config % said)
        with pytest.raises(BadStudy, match=rf"found samples: 3 of a request whose {told}.*take samples: out"):
            alpaca.identity(alpaca.Options(str(folder), samples=3))


def test_the_cost_counts_every_sample():
    options = alpaca.Options(model="m", both_orders=True, samples=4)
    workload = alpaca.workload(options)
    assert (workload.per_pair, workload.samples, workload.order) == (8, 4, "both")
    assert alpaca.workload(alpaca.Options(model="m", samples=2)).order == "hash"
    assert prices.Workload("m", 0, 1, 2).order == "both" and keys.plain(alpaca.Options(model="m")).keys() == {
        "config",
        "model",
    }


def test_a_fingerprint_that_changes_midway_is_a_note_and_older_lines_are_read(server, monkeypatch, tmp_path):
    spoken, calls = loopback.completion_text, itertools.count(1)

    def say(body: dict, kind: str) -> str:
        said = json.loads(spoken(body, kind))
        return json.dumps(said | ({"system_fingerprint": f"fp_{next(calls) > 4}"}))

    pairs, options = make_pairs(9), alpaca.Options(model="m", limits=Limits(in_flight=1))
    ask(alpaca, pairs[:3], options, tmp_path)  # as an endpoint without, or an older winsweep, has it
    lines = [json.loads(x) for p in tmp_path.glob(".judged/*/*.jsonl") for x in p.read_bytes().splitlines()]
    assert len(lines) == 3 and all("fingerprint" not in line["judgement"] for line in lines)
    monkeypatch.setattr(loopback, "completion_text", say)
    rows = ask(alpaca, pairs, options, tmp_path)
    assert len(server.requests) == 9 and [r.get("system_fingerprint") for r in rows[:3]] == [None] * 3
    assert drift(rows) == (
        "the endpoint's fingerprint of the model changed while it judged: fp_False (4 rows), fp_True (2 rows)"
    )
    both = [{"served_model": told, "system_fingerprint": told} for told in ("a and b", "b and a", "a", "b")]
    assert drift(both) == (
        "the endpoint served 2 models under one name: a (3 rows), b (3 rows); "
        "the endpoint's fingerprint of the model changed while it judged: a (3 rows), b (3 rows)"
    )
    assert drift(rows[:6]) == "" and ask(alpaca, pairs, options, tmp_path) == rows and len(server.requests) == 9
