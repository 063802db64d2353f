"""What a dry run says that judging will take: counted question by question where outputs are there, after what the
ledger knows.
"""

import json
import re

import pytest

from tests.local.conftest import TINY
from winsweep.costs import forecast, judge_cost
from winsweep.errors import BadStudy
from winsweep.judge import ledger, prices
from winsweep.judge.questions import Judgement
from winsweep.store.store import RECORD
from winsweep.workspace import Workspace, open_workspace

ONE = "judge: {from: alpaca, model: gpt-4.1, both_orders: false}"
PAID = ONE.replace("}", ", limits: {requests_per_minute: 100, dollars: 5}}")


def opened(tmp_path, judge: str = PAID) -> Workspace:
    (tmp_path / "study.yaml").write_text(TINY.replace("judge: reference_overlap", judge))
    return open_workspace(tmp_path / "study.yaml", tmp_path / "runs")


def said(workspace: Workspace) -> str:
    return "\n".join(forecast.lines(workspace, workspace.plan(workspace.facts())))


def publish(workspace: Workspace, label: str, outputs: dict[str, str]) -> None:
    """The outputs of an arm, and their instructions, as their stages publish them."""
    judged = workspace.judged[label]
    asked = workspace.store.root / judged.inputs["instructions"].name
    asked.mkdir(parents=True, exist_ok=True)
    (asked / "instructions.jsonl").write_text(
        "".join(json.dumps({"instruction": i, "dataset": "d"}) + "\n" for i in outputs)
    )
    (asked / RECORD).write_text(json.dumps({"notes": {"num_rows": len(outputs)}}))
    made = workspace.store.root / judged.inputs["candidate"].name
    made.mkdir(parents=True)
    rows = [
        {"instruction": i, "output": o, "generator": label, "num_tokens": 1, "truncated": False}
        for i, o in outputs.items()
    ]
    (made / "outputs.json").write_text(json.dumps(rows))


def test_unseen_outputs_are_counted_by_instructions_and_seen_ones_by_question(tmp_path):
    workspace = opened(tmp_path)
    assert "6 comparisons whose instructions cannot be counted yet; what they cost is not known yet" in said(workspace)
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(10)})
    assert re.search(
        r"judge alpaca: 60 judgements; about 0\.1 M tokens of prompts; about \$0\.\d\d of gpt-4\.1 by the prices of "
        r"\d{4}-\d\d-\d\d, "
        r"budget \$5\.00; \$0\.\d\d with batch: true in limits; under a minute at its limits",
        said(workspace),
    )
    publish(workspace, "a.sum.s1", {f"Q{i}": "the reference" if i < 3 else f"a sum {i}" for i in range(10)})
    assert "57 judgements" in said(workspace)  # three of the ten are ties without a question


def test_how_long_answers_to_come_are_taken_to_be_is_said_where_they_may_be_longer(tmp_path):
    told = "; an answer to come is taken to have 360 tokens, and may have 25,000"
    for text, where in ((TINY.replace("max_new_tokens: 8,", "max_new_tokens: 25000,"), "long"), (TINY, "short")):
        (tmp_path / where).mkdir()
        (tmp_path / where / "study.yaml").write_text(text.replace("judge: reference_overlap", PAID))
        workspace = open_workspace(tmp_path / where / "study.yaml", tmp_path / where / "runs")
        publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(10)})
        found = said(workspace)
        assert (told in found, "360 tokens" in found) == (where == "long", where == "long")


def test_what_the_ledger_knows_is_not_asked_again(tmp_path):
    workspace = opened(tmp_path)
    for label in ("a.ins.s1", "a.sum.s1"):
        publish(workspace, label, {f"Q{i}": f"output of {label}" for i in range(10)})
    judged = workspace.judged["a.sum.s1"]
    place = ledger.place(workspace.store.root, "alpaca", 1, judged.params["identity"])
    known = judge_cost._pairs(workspace, judged)[:4]
    book = ledger.Ledger(*place)
    for pair in known:
        book.add(judge_cost.ask_about(pair, "hash")[0].question, Judgement(1.5, {"text": "m"}))
    assert "56 judgements, 4 more are known already; " in said(workspace)
    assert "116 judgements, 4 more are known already; " in said(
        opened(tmp_path, PAID.replace("both_orders: false", "both_orders: true"))
    )


def test_limits_move_no_key_and_reach_the_job(tmp_path):
    one, other = opened(tmp_path), opened(tmp_path, ONE)
    assert one.wanted[0].key == other.wanted[0].key
    limits = one.judged["a.sum.s1"].limits
    assert (limits["dollars"], limits["requests_per_minute"], limits["in_flight"]) == (5.0, 100.0, 64)
    from winsweep.attempt import spec
    from winsweep.placement import Placement

    told = spec.make(one.judged["a.sum.s1"], tmp_path, tmp_path / "study.yaml", {}, Placement())
    assert spec.restore(json.loads(json.dumps(spec.plain(told)))).limits == limits
    both = opened(tmp_path, "judge: {from: alpaca, model: gpt-4.1, both_orders: true}")
    assert both.judged["a.sum.s1"].key != one.judged["a.sum.s1"].key


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ("judge: {from: alpaca, limits: {in_flight: 0}}", "in_flight: found 0; 1 to 1024 is legal"),
        (
            "judge: {from: alpaca, limits: {in_fligth: 8}}",
            "unknown key 'in_fligth'; legal: in_flight,.*did you mean in_flight",
        ),
        ("judge: {from: alpaca, limits: {dollars: ten}}", "dollars: found the text 'ten'; a number is legal here"),
        ("judge: chain_of_thought", "model is missing"),
        ("judge: local", "judge local: no model; exactly one of path: and hf_id"),
        ("judge: {from: local, path: no/such/folder}", "no file at .*no/such/folder"),
        ("judge: {from: local, hf_id: a/b}", "revision is missing"),
        (
            "judge: gpt5",
            (
                "no file gpt5.py in judges/; legal: alpaca, alpaca_eval_2, chain_of_thought, gpt_6_luna, jury, "
                "local, qwen_2_5_32b, reference_overlap, reward_model, rubric"
            ),
        ),
    ],
)
def test_what_is_refused(tmp_path, judge, told):
    with pytest.raises(BadStudy, match=told):
        opened(tmp_path, judge)


def test_a_judge_on_this_machine_is_known_by_its_content_and_costs_no_dollars(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    workspace = opened(tmp_path, "judge: {from: local, path: model}")
    judged = workspace.judged["a.sum.s1"]
    assert judged.plain_params["judge"]["options"]["weights"].keys() == {"sha256"}
    assert judged.plain_params["judge"]["options"]["weights"]["sha256"] in workspace.study.files
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(10)})
    assert "120 judgements; about 0.1 M tokens of prompts, on this machine; " in said(workspace)
    (tmp_path / "model/config.json").write_text('{"other": 1}')
    assert opened(tmp_path, "judge: {from: local, path: model}").judged["a.sum.s1"].key != judged.key
    hub = opened(tmp_path, "judge: {from: local, hf_id: a/b, revision: c0ffee}")
    assert hub.judged["a.sum.s1"].plain_params["judge"]["options"]["weights"] == {"hf_id": "a/b", "revision": "c0ffee"}


def test_a_model_that_is_shut_down_is_said_before_anything_runs(tmp_path):
    assert judge_cost.warnings(opened(tmp_path)) == []
    (line,) = judge_cost.warnings(opened(tmp_path, "judge: alpaca_eval_2"))
    assert "judge model gpt-4-1106-preview: OpenAI shut it down on 2026-03-26; name another judge" in line


def test_the_table_of_prices_is_read_strictly_and_can_be_edited(tmp_path, monkeypatch):
    date, models = prices.table()
    assert date.year >= 2026 and models["gpt-4.1"].dollars(1e6, 1e6) == 10.0
    assert (
        prices.is_shut_down("gpt-4.1", models["gpt-4.1"].shut_down) is False
        and prices.is_shut_down("no such model") is False
    )
    own = tmp_path / "prices.yaml"
    monkeypatch.setattr(prices, "FILE", own)
    for text, told in (
        ("date: 2026-01-01\nmodels: {m: {input: -1}}", "found -1"),
        ("date: soon\nmodels: {}", "a date is legal"),
        ("date: 2026-01-01\nmodels: {m: {in: 1}}", "unknown key 'in'"),
    ):
        own.write_text(text)
        with pytest.raises(BadStudy, match=told):
            prices.table.__wrapped__()
    own.write_text("date: 2026-01-01\nmodels: {m: {input: 1, output: 2, shut_down: 2026-02-01}}")
    assert prices.table.__wrapped__()[1]["m"].dollars(10, 10) == 3e-5


def test_a_jury_costs_what_its_judges_cost_together(tmp_path):
    named = (
        "judge: {from: jury, judges: [{from: alpaca, model: %s}, {from: alpaca, model: gpt-4.1}, reference_overlap]}"
    )
    workspace = opened(tmp_path, named % "gpt-4o")
    assert "jury: 3 judges, 2 of them paid; what they cost together is not known yet" in said(workspace)
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" * 9000 for i in range(10)})
    told = said(workspace)
    each = [float(x) for x in re.findall(r"judge alpaca: 120 judgements; .*about \$([\d.]+) of", told)]
    (whole,) = re.findall(r"jury: 3 judges, 2 of them paid: about \$([\d.]+) in all$", told, re.MULTILINE)
    assert len(each) == 2 and sum(each) > 0.05 and float(whole) == pytest.approx(sum(each), abs=0.011)
    assert "judge reference_overlap: 60 judgements; free" in told
    told = said(opened(tmp_path, named % "my-own-model"))
    assert "in all, without the 1 whose price is not known" in told
