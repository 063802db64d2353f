"""Small quantities are not said to be nothing, and times are those of the same model and size, or not known."""

import dataclasses
import json

import pytest

from tests.core.test_judge_cost import opened, publish, said
from tests.local.conftest import TINY
from winsweep import amounts
from winsweep.costs import eta, judge_cost
from winsweep.errors import BadStudy
from winsweep.judge.limits import Limits
from winsweep.judge.spending import Spending
from winsweep.plan import Item
from winsweep.store.store import RECORD
from winsweep.workspace import open_workspace


@pytest.mark.parametrize(
    ("value", "figure", "tokens", "dollars"),
    [
        (0, "0", "0 tokens", "$0"),
        (0.000434, "0.00043", "0 tokens", "$0.00043"),
        (0.0149, "0.015", "0 tokens", "$0.01"),
        (0.5, "0.50", "0 tokens", "$0.50"),
        (3.46, "3.5", "3 tokens", "$3.46"),
        (434, "434", "430 tokens", "$434.00"),
        (43_212, "43,212", "43,000 tokens", "$43,212.00"),
        (1_250_000, "1,250,000", "1.2 M tokens", "$1,250,000.00"),
    ],
)
def test_quantities(value, figure, tokens, dollars):
    assert (amounts.figure(value), amounts.tokens(value), amounts.dollars(value)) == (figure, tokens, dollars)


def test_one_of_what_is_counted_is_told_as_one():
    assert [amounts.plural(n, "cell") for n in (0, 1, 2, 1234)] == ["0 cells", "1 cell", "2 cells", "1,234 cells"]
    assert [amounts.plural(n, "row is", "rows are") for n in (1, 2)] == ["1 row is", "2 rows are"]
    assert judge_cost.ahead("j", None, {}, [], unknown=1).startswith("judge j: 0 judgements and those of 1 comparison ")


def test_a_small_cost_is_not_said_to_be_free(tmp_path):
    workspace = opened(tmp_path)
    for label in ("a.ins.s1", "a.sum.s1", "a.ins.s2", "a.sum.s2", "a.base.s1", "a.rules.s1"):
        publish(workspace, label, {"Q": f"output of {label}"})
    told = said(workspace)
    assert (
        "0.0 M" not in told
        and "$0.00 " not in told
        and "tokens of prompts; about $0.00" in told
        and " 0 tokens" not in told
    )


def test_a_budget_without_a_price_is_said_before_anything_runs(tmp_path):
    """By the warnings of every start and by the dry run: what the cap does, and what to type."""
    workspace = opened(tmp_path, "judge: {from: alpaca, model: my-own-model, limits: {dollars: 20}}")
    (line,) = judge_cost.warnings(workspace)
    assert line.startswith(
        "warning: judge model my-own-model: no price of it is known, so its budget of $20.00 cannot be kept, and it "
        "stops before its first call"
    )
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(10)})
    assert "no price of my-own-model is known, so its budget of $20.00 cannot be kept" in said(workspace)
    uncapped = opened(tmp_path, "judge: {from: alpaca, model: my-own-model}")
    assert judge_cost.warnings(uncapped) == [] and "no price of my-own-model is known (" in said(uncapped)
    with pytest.raises(BadStudy, match="limits has dollars, but no price"):  # and that is what the judge does
        Spending("my-own-model", Limits(dollars=20.0), None)


def finish(workspace, a, seconds: float, **notes) -> None:
    """As if `a` had been made in so many seconds."""
    folder = workspace.store.root / a.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_text(
        json.dumps(
            {
                "seconds": seconds,
                "params": a.plain_params,
                "inputs": {n: i.key for n, i in a.inputs.items()},
                "notes": notes,
                "placement": {"ranks": 1, "gpus_per_rank": 0},
            }
        )
    )


@pytest.fixture
def toy(tmp_path):
    """A study with everything prepared and pretrained, its first finetune made in ten seconds; and a longer one beside
    it.
    """

    def opened(text):
        (tmp_path / "s.yaml").write_text(text)
        workspace = open_workspace(tmp_path / "s.yaml", tmp_path / "runs")
        for a in workspace.order:
            if a.stage in ("prepare", "pretrain"):
                finish(
                    workspace,
                    a,
                    1,
                    num_rows=a.plain_params["source"]["options"].get("num_examples", 20) if a.stage == "prepare" else 0,
                )
        return workspace

    text = TINY.replace("seeds: [1, 2]", "seeds: [1]")
    workspace = opened(text)
    finish(workspace, next(a for a in workspace.order if a.stage == "finetune"), 10)
    return opened, text


def of(workspace, stage: str) -> list[Item]:
    return [i for i in workspace.plan(workspace.facts()) if i.artifact.stage == stage]


def test_time_goes_with_epochs_and_rows(toy):
    opened, text = toy
    longer = opened(text.replace("epochs: 2", "epochs: 20").replace("num_examples: 24", "num_examples: 240"))
    assert eta.end(longer, of(longer, "finetune"), {}, at_once=1)[0] == pytest.approx(2 * 10 * 10 * 10)
    assert eta.end(longer, of(longer, "finetune"), {}, at_once=2)[0] == pytest.approx(1000)


def test_another_model_says_nothing(toy):
    opened, text = toy
    other = opened(text.replace("width: 16", "width: 64"))
    assert eta.end(other, of(other, "finetune"), {}, at_once=1) == (None, ["finetune"])
    assert eta.end(other, of(other, "generate"), {}, at_once=1) == (None, ["generate"])


def test_outputs_that_were_compared_with_themselves_and_batches_on_their_way_say_nothing(toy):
    opened, text = toy
    workspace = opened(text)
    judged = [a for a in workspace.order if a.stage == "judge"]
    own = next(a for a in judged if a.inputs["candidate"] == a.inputs["reference"])
    finish(workspace, own, 0.1)
    assert eta.end(workspace, of(workspace, "judge"), {}, at_once=1) == (None, ["judge"])
    finish(workspace, next(a for a in judged if a is not own), 60)
    items = of(workspace, "judge")
    left = [i for i in items if i.state != "done"]
    assert eta.end(workspace, items, {}, at_once=1)[0] == pytest.approx(60 * len(left)) and left
    batch = [dataclasses.replace(i, state="ready", begin=1e12) for i in left]
    assert eta.end(workspace, batch, {}, at_once=1) == (None, [])
    assert eta.why_unknown(batch, []) == "a judge's batch is on its way" and eta.why_unknown(left, []) == "nothing runs"


def test_an_attempt_that_is_well_on_its_way_is_known_by_its_own_pace(toy):
    opened, text = toy
    workspace = opened(text.replace("width: 16", "width: 64"))
    items = [dataclasses.replace(i, state="running") for i in of(workspace, "finetune")[:1]]
    key = items[0].artifact.key
    workspace.store.work(key).mkdir(parents=True)
    (workspace.store.work(key) / "progress.json").write_text(
        json.dumps({"done": 1, "total": 4, "begun": __import__("time").time() - 30})
    )
    assert eta.end(workspace, items, {key: 0.25})[0] == pytest.approx(90, abs=5)
