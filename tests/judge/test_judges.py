"""Each paid judge as a file: what it asks, how its reply is read, and that it names itself in every row."""

import json

import pytest

from winsweep.errors import JudgeFailed
from winsweep.judges import alpaca_eval_2, chain_of_thought, gpt_6_luna

from . import server as loopback
from .pairs import expected, make_pair, make_pairs


def annotate(module, pairs: list[dict], options) -> list[dict]:
    rows: list[dict] = []
    module.annotate(pairs, options, rows.extend)
    return sorted(rows, key=lambda row: [p["instruction"] for p in pairs].index(row["instruction"]))


@pytest.mark.parametrize(("module", "model"), [(gpt_6_luna, "gpt-6-luna"), (alpaca_eval_2, "gpt-4-1106-preview")])
def test_judges_with_alpaca_eval_2s_prompt_weigh_as_it_does(server, module, model):
    pairs = make_pairs(6)
    rows = annotate(module, pairs, module.Options())
    assert [r["preference"] for r in rows] == pytest.approx([expected(p) for p in pairs], abs=1e-9)
    assert {(r["model"], r["annotator"]) for r in rows} == {(model, module.identity(module.Options())["annotator"])}
    assert all(
        r["top_logprobs"] == 5 and r["logprobs"] and r.get("max_tokens", r.get("max_completion_tokens")) == 1
        for r in server.requests
    )


def test_one_that_reasons_is_told_not_to_where_log_probabilities_need_it(server):
    annotate(gpt_6_luna, make_pairs(1), gpt_6_luna.Options())
    assert server.requests[0]["reasoning_effort"] == "none" and "max_tokens" not in server.requests[0]


def reasoned(verdict: str):
    """A server's reply in words."""

    def text(body: dict, kind: str) -> str:
        message = {"role": "assistant", "content": f"[[C]] would be easy. On the whole:\n{verdict}"}
        return json.dumps(
            {
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}],
                "usage": {"prompt_tokens": 200, "completion_tokens": 40},
            }
        )

    return text


@pytest.mark.parametrize(("verdict", "first_shown_wins"), [("[[A]]", 1.0), ("[[B]]", 0.0), ("[[C]]", 0.5)])
def test_the_one_that_reasons_gives_whole_wins_ties_and_losses(server, monkeypatch, verdict, first_shown_wins):
    monkeypatch.setattr(loopback, "completion_text", reasoned(verdict))
    pairs = [*make_pairs(5), make_pair("Same?", "one", "one")]
    rows = annotate(chain_of_thought, pairs, chain_of_thought.Options("thinker", both_orders=True))
    assert [r["preferences_by_order"] for r in rows[:5]] == [[2 - first_shown_wins, 1 + first_shown_wins]] * 5
    assert [r["preference"] for r in rows] == [1.5] * 6 and len(server.requests) == 10
    ask = server.requests[0]
    assert (
        ask["model"] == "thinker"
        and ask["max_completion_tokens"] == 1024
        and "logprobs" not in ask
        and "reasoning_effort" not in ask
    )
    assert (
        "## Response A\n\nr" in ask["messages"][1]["content"] or "## Response A\n\nc" in ask["messages"][1]["content"]
    )


def test_reasoning_that_was_cut_off_is_a_failure(server, monkeypatch):
    monkeypatch.setattr(
        loopback, "completion_text", lambda body, kind: reasoned("")(body, kind).replace("[[C]]", "A tie")
    )
    with pytest.raises(
        JudgeFailed, match=r"none of the first 3 questions .*no verdict \[\[A\]\], \[\[B\]\] or \[\[C\]\] in the reply"
    ):
        annotate(chain_of_thought, make_pairs(4), chain_of_thought.Options("thinker"))
