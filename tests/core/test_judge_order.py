"""Judges without a validated position consistency are asked in both orders unless the study says otherwise, and the dry
run says what that costs.
"""

import json
import re

import pytest

from winsweep import layout
from winsweep.check import dry
from winsweep.costs import judge_order
from winsweep.errors import BadStudy
from winsweep.screen import Detail
from winsweep.store.store import RECORD
from winsweep.study.cell import judge_of

from .test_judge_cost import opened, publish

LUNA = "judge: {from: gpt_6_luna, limits: {dollars: 20}}"


def orders(tmp_path, judge: str) -> bool:
    workspace = opened(tmp_path, judge)
    return judge_of(workspace.judged["a.sum.s1"]).options.both_orders


@pytest.mark.parametrize(
    ("judge", "both"),
    [
        ("judge: gpt_6_luna", True),
        ("judge: {from: gpt_6_luna, both_orders: false}", False),
        ("judge: {from: chain_of_thought, model: m}", True),
        ("judge: {from: alpaca, model: m}", True),
        ("judge: alpaca", False),
        ("judge: {from: alpaca, config: weighted_alpaca_eval_gpt4_turbo}", False),
        ("judge: alpaca_eval_2", False),
        ("judge: {from: local, hf_id: a/b, revision: c0ffee}", True),
    ],
)
def test_a_study_that_does_not_say_asks_in_both_orders_where_nothing_shows_that_one_suffices(tmp_path, judge, both):
    assert orders(tmp_path, judge) is both


def test_one_order_that_is_typed_keeps_the_key_of_before_both_was_the_default(tmp_path):
    asked = opened(tmp_path, "judge: {from: gpt_6_luna, both_orders: false}").judged["a.sum.s1"]
    assert "both_orders" not in asked.plain_params["judge"]["options"]
    assert "orders" not in asked.plain_params["identity"]


def test_the_dry_run_says_what_both_orders_cost_and_what_one_would(tmp_path, capsys):
    workspace = opened(tmp_path, LUNA)
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(10)})
    items = workspace.plan(workspace.facts())
    dry.say_amounts(workspace, items, Detail())
    told = capsys.readouterr().out
    assert "judge gpt_6_luna: 120 judgements;" in told  # 6 comparisons of 10 instructions, twice
    assert "each pair is asked in both orders, twice the calls; type both_orders: false beside from: for one" in told
    assert re.search(r"in one order: judge gpt_6_luna: 60 judgements; .*about \$\d", told)
    assert "validate" in told
    one = opened(tmp_path, "judge: {from: gpt_6_luna, both_orders: false}")
    (said,) = judge_order.lines(one, one.plan(one.facts()))
    assert said.startswith("judge gpt_6_luna: asked in one order; in both (both_orders: true")
    assert re.search(r": 120 judgements, about \$\d\S+$", said)
    official = opened(tmp_path, "judge: alpaca_eval_2")
    assert "judge alpaca_eval_2: asked in one order" in judge_order.lines(official, official.plan(official.facts()))[0]
    toy = opened(tmp_path, "judge: reference_overlap")
    assert not judge_order.lines(toy, toy.plan(toy.facts()))


def test_comparisons_of_before_are_named_not_forgotten(tmp_path):
    before = opened(tmp_path, "judge: {from: gpt_6_luna, both_orders: false}")
    made = before.store.root / before.judged["a.sum.s1"].name
    made.mkdir(parents=True)
    (made / RECORD).write_text(json.dumps({"notes": {}}))
    now = opened(tmp_path, LUNA)
    (line, _) = judge_order.lines(now, now.plan(now.facts()))
    assert "1 of these comparisons are there in one order already, which that keeps" in line


def test_the_papers_study_says_its_one_order():
    assert "both_orders: false" in (layout.ROOT / "launch/sweeps/paper.yaml").read_text()


@pytest.mark.parametrize(
    "judge",
    [
        "{from: gpt_6_luna, samples: 101}",
        "{from: rubric, model: m, samples: 101}",
        "{from: alpaca, model: m, samples: 101}",
        "{from: chain_of_thought, model: m, samples: 101}",
        "{from: alpaca_eval_2, samples: 101}",
        "{from: gpt_6_luna, limits: {dollars: -1}}",
        "{from: reference_overlap, margin: -1}",
    ],
)
def test_numbers_without_a_meaning_are_refused(tmp_path, judge):
    with pytest.raises(BadStudy, match=r"found (101|-1)"):
        opened(tmp_path, f"judge: {judge}")
