"""Order, weighting and ties against alpaca_eval's own code, on AlpacaEval's real instructions and outputs."""

import json
import math
import warnings

import pytest

from winsweep.judge import verdict
from winsweep.judge.chat import messages_for
from winsweep.judge.configuration import read
from winsweep.judge.questions import Judgement, ask_about, decide, is_candidate_first
from winsweep.judge.verdict import Unreadable, bracketed, weigh

from .pairs import make_pair


@pytest.fixture(scope="module")
def stock():
    """alpaca_eval's own module of processors and parsers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alpaca_eval import completion_parsers, processors
    return processors, completion_parsers


def test_the_order_of_all_805_is_alpaca_evals(data, stock):
    import pandas

    rows = json.loads((data / "alpaca_eval_outputs_vicuna-13b.json").read_bytes())
    theirs = stock[0].RandomSwitchTwoColumnsProcessor(
        two_columns_to_switch=["output_1", "output_2"],
        random_seed_columns=["instruction"],
        _switch_column="is_switched_outputs",
        seed=0,
    )
    table = theirs.preprocess(pandas.DataFrame([make_pair(r["instruction"], "reference", "candidate") for r in rows]))
    assert len(rows) == 805 and [is_candidate_first(r["instruction"]) for r in rows] == [
        first == "candidate" for first in table["output_1"]
    ]
    assert 300 < sum(is_candidate_first(r["instruction"]) for r in rows) < 500


def reply(tops: dict[str, float]) -> dict:
    content = [{"token": t, "logprob": p} for t, p in tops.items()]
    return {"text": next(iter(tops)), "logprobs": {"content": [{**content[0], "top_logprobs": content}]}}


@pytest.mark.parametrize(
    "tops",
    [
        {"m": -0.017597131, "M": -4.048847, "Both": -14.9},
        {"M": -1e-7, "m": -16.0},
        {"m": -0.2},
        {"M": -0.3, "The": -2.0},
        {"M": -0.7, "m": -0.7},
        {"m": -800.0, "M": -900.0},
        {"m": -9999.0, "M": 0.0},
    ],
)
def test_the_weighting_is_alpaca_evals(tops, stock):
    (theirs,) = stock[1].logprob_parser(
        reply(tops), numerator_token="m", denominator_tokens=["m", "M"], is_binarize=False
    )
    assert weigh(reply(tops), "m", "M") == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (reply({"The": -0.1, "Both": -2.0}), "other tokens than m and M"),
        ({"logprobs": None}, "no log-probabilities"),
        ({}, "no log-probabilities"),
        ({"logprobs": {"content": []}}, "no log-probabilities"),
        ({"logprobs": {"content": [{"token": "m"}]}}, "no log-probabilities"),
        (reply({"m": math.nan}), "that are none"),
        (reply({"m": 4.0, "M": -1.0}), "that are none"),
        (reply({"m": "high"}), "no log-probabilities"),
    ],
)
def test_what_cannot_be_weighed_is_no_tie(choice, told):
    with pytest.raises(Unreadable, match=told):
        weigh(choice, "m", "M")


@pytest.mark.parametrize(
    ("text", "preference"), [("Both good.\n[[A]]", 1.0), ("[[A]] at first, but\n[[B]]", 2.0), ("[[C]]", 1.5)]
)
def test_a_verdict_is_the_last_one_in_brackets(text, preference):
    assert bracketed({"text": text}) == preference


@pytest.mark.parametrize("text", ["", "A", "[A]", "[[D]]", "[[A"])
def test_a_reply_without_a_verdict_is_unreadable(text):
    with pytest.raises(Unreadable, match="no verdict"):
        bracketed({"text": text})


def test_parsers_of_alpaca_evals_read_what_they_are_for(stock):
    ranking = verdict.reader({"fn_completion_parser": "ranking_parser"})
    assert ranking({"text": "[{'model': 'model_1', 'rank': 2}, {'model': 'model_2', 'rank': 1}]"}) == 2.0
    assert verdict.reader({"fn_completion_parser": "lmsys_parser"})({"text": "7 7\n"}) == 1.5
    for bad in ("", "[]", "nonsense"):
        with pytest.raises(Unreadable):
            ranking({"text": bad})


def test_both_orders_give_the_mean_and_identical_outputs_tie_without_a_question():
    pair = make_pair("Q", "reference", "candidate")
    shown = ask_about(pair, "both")
    assert [(s.question.first, s.candidate_first) for s in shown] == [("reference", False), ("candidate", True)]
    row = decide(shown, [Judgement(1.75, {"text": "M"}), Judgement(1.5, {"text": "m"})])
    assert (
        row["preferences_by_order"] == [1.75, 1.5]
        and row["preference"] == 1.625
        and row["raw_completion"] == [{"text": "M"}, {"text": "m"}]
    )
    for order in ("hash", "both", "reference_first"):
        assert ask_about(make_pair("Q", "same", "same"), order) == []
    assert decide([], [])["preference"] == 1.5 and decide([], [])["raw_completion"] is None


def test_a_real_output_cannot_leave_its_place(data):
    judge = read("weighted_alpaca_eval_gpt4_turbo", "m")
    rows = json.loads((data / "alpaca_eval_outputs_vicuna-13b.json").read_bytes())
    for row in rows[::40]:
        (shown,) = ask_about(make_pair(row["instruction"], "{output_2}{instruction}", row["output"]), "hash")
        user = messages_for(judge, shown.question)[1]["content"]
        assert user.count(row["output"]) >= 1 and user.count("{output_2}{instruction}") == 1
