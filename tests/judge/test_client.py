"""The client against a server that fails in every way: nothing lost, nothing cached that is no judgement, nothing asked
too early or too often.
"""

import hashlib
import random
import time

import pytest

from winsweep.errors import BadStudy, JudgeFailed, Stopped
from winsweep.judge import client, endpoint
from winsweep.judges import alpaca
from winsweep.judges.alpaca import Options

from .asking import judge, ledger_of, lines, options
from .conftest import KEY
from .pairs import expected, make_pairs
from .server import FAULTS, RETRY_AFTER_S


def mixed(prompt: str, nth: int) -> str:
    """A fault in 3 of 10 requests, the same for the same request of the same prompt."""
    coin = random.Random(hashlib.sha256(f"{prompt}{nth}".encode()).digest())
    return (
        coin.choice([f for f in FAULTS if f != "no usage"]) if coin.random() < 0.3 else coin.choice(["ok", "no usage"])
    )


@pytest.mark.parametrize("num", [600, pytest.param(5000, marks=pytest.mark.long)])
def test_pairs_through_mixed_faults_are_judged_as_without_them(server, tmp_path, num):
    pairs = make_pairs(num)
    server.choose = mixed
    found = judge(pairs, options(timeout_s=4.0), tmp_path)
    assert found == pytest.approx({p["instruction"]: expected(p) for p in pairs}, abs=1e-9)
    kept = [line for line in lines(tmp_path) if line["key"] != "wasted"]
    assert len({line["key"] for line in kept}) == len(kept) == num and all(
        1 <= line["judgement"]["preference"] <= 2 for line in kept
    )
    assert len(server.requests) <= 1.6 * num and server.most_open <= 64
    assert {"429", "closed", "slow"} <= {mixed(t, n) for t, num in server.times.items() for n in range(1, num + 1)}
    assert len(server.rests) > 10 and not [
        t
        for prompt, end in server.rests
        for text, t in server.arrivals
        if text == prompt and end - RETRY_AFTER_S < t < end
    ]


def test_no_call_leaves_before_the_rest_that_any_call_was_told_is_over(server, tmp_path, monkeypatch):
    ask, rests, left = endpoint.ask, [], []

    async def watched(*given):
        left.append(time.monotonic())
        said = await ask(*given)
        if getattr(said, "retry_after_s", 0):
            rests.append((time.monotonic(), time.monotonic() + said.retry_after_s))
        return said

    monkeypatch.setattr(endpoint, "ask", watched)
    server.faults = {f"Question {10 * i}?": ["429", "429", "ok"] for i in range(1, 6)}
    judge(make_pairs(60), options(in_flight=8), tmp_path)
    assert len(rests) == 10 and not [t for begin, end in rests for t in left if begin < t < end]


def test_calls_go_on_while_others_wait(server, tmp_path):
    """Eight calls are held until every other one has been made: with a barrier they would wait for each other."""
    server.faults, server.release_at = {f"Question {8 * i + 3}?": ["held"] for i in range(8)}, 67
    judge(make_pairs(67), options(in_flight=16, timeout_s=60.0), tmp_path)
    assert len(server.requests) == 67 and server.most_open <= 16


@pytest.mark.parametrize(
    ("kind", "calls", "told"),
    [
        ("500", 10, "HTTP 500 Internal Server Error"),
        ("429 busy", 10, "HTTP 429 Too Many Requests"),
        ("closed", 10, "ServerDisconnectedError"),
        ("slow", 10, "TimeoutError"),
        ("400", 4, "HTTP 400 Bad Request"),
        ("malformed", 6, "unreadable answer"),
        ("not json", 6, "unreadable answer"),
        ("no logprobs", 6, "no log-probabilities in the reply"),
        ("other tokens", 6, "other tokens than m and M in the reply"),
        ("filtered", 6, "the endpoint's content filter held the reply back"),
    ],
)
def test_a_lasting_failure_is_named_after_a_bound_and_is_never_kept(server, tmp_path, kind, calls, told):
    server.faults = {"Question 5?": [kind]}
    kept: list[dict] = []
    asked = options(timeout_s=0.2 if kind == "slow" else 9.0)
    with pytest.raises(JudgeFailed) as caught:
        alpaca.annotate(make_pairs(9), asked, kept.extend, ledger_of(tmp_path, asked))
    assert f"1 of 9 pairs have no preference: #5 'Question 5?': {told}" in str(caught.value) and caught.value.kind == (
        "judge" if calls == client.MOST["passing"] else "judge refused"
    )
    assert len(kept) == 8 == sum(line["key"] != "wasted" for line in lines(tmp_path))
    assert sum("Question 5?" in r["messages"][-1]["content"] for r in server.requests) == calls
    server.faults.clear()
    before = len(server.requests)
    assert len(judge(make_pairs(9), asked, tmp_path)) == 9 and len(server.requests) == before + 1


def test_what_a_content_filter_holds_back_is_no_lack_of_log_probabilities(server, tmp_path):
    server.faults, asked = {"Question": ["filtered"]}, options()
    with pytest.raises(JudgeFailed, match="take this instruction out of the study") as caught:
        alpaca.annotate(make_pairs(3), asked, list, ledger_of(tmp_path, asked))
    assert "samples" not in str(caught.value)


def test_a_reply_without_usage_is_a_judgement_and_its_tokens_are_estimated(server, tmp_path):
    server.faults = {"Question": ["no usage"]}
    asked = options()
    judge(make_pairs(4), asked, tmp_path)
    assert all(300 < line["tokens"][0] < 500 and line["tokens"][1] == 1 for line in lines(tmp_path))


@pytest.mark.parametrize(("kind", "told"), [("401", "HTTP 401 Unauthorized"), ("quota", "HTTP 429 insufficient_quota")])
def test_a_refused_key_and_an_empty_purse_stop_within_what_is_under_way(server, tmp_path, kind, told):
    server.latency_s = 0.02
    server.choose = lambda prompt, nth: "ok" if len(server.requests) <= 100 else kind
    kept, asked = [], options(in_flight=16)
    with pytest.raises(
        JudgeFailed, match=f"the endpoint says {told}, which holds for every call; [0-9]* of 400 pairs"
    ) as e:
        alpaca.annotate(make_pairs(400), asked, kept.extend, ledger_of(tmp_path, asked))
    assert len(kept) == 100 == len(lines(tmp_path)) and 100 < len(server.requests) <= 116
    assert e.value.kind == "judge refused"
    server.choose = lambda prompt, nth: "ok"
    assert len(judge(make_pairs(400), asked, tmp_path)) == 400
    assert sum(num > 1 for num in server.times.values()) <= 16


def test_an_endpoint_without_log_probabilities_is_found_out_by_three_questions(server, tmp_path):
    server.faults = {"Question": ["no logprobs"]}
    with pytest.raises(
        JudgeFailed,
        match="none of the first 3 questions got an answer that can be used, so the rest was not asked; 200 of 200",
    ):
        judge(make_pairs(200), options(), tmp_path)
    assert len(server.times) == 3 and len(server.requests) == 6


def test_the_first_three_are_not_paid_twice(server, tmp_path):
    judge(make_pairs(20), options(), tmp_path)
    assert len(server.requests) == 20


def test_an_endpoint_that_dies_ends_the_work_after_as_many_failures_as_are_under_way(server, tmp_path):
    server.choose = lambda prompt, nth: "ok" if len(server.requests) <= 20 else "400"
    with pytest.raises(JudgeFailed, match="not one of the last 8 questions got an answer; "):
        judge(make_pairs(300), options(in_flight=8), tmp_path)
    assert len(server.requests) < 20 + 3 * 8 * 4


def test_a_long_rest_ends_the_stage(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.1)
    server.faults = {"Question 7?": ["429"]}
    with pytest.raises(JudgeFailed, match=r"the endpoint asks for 0.1 s of rest"):
        judge(make_pairs(9), options(), tmp_path)


def test_a_stop_lets_calls_under_way_come_in_and_nothing_is_asked_again(server, tmp_path):
    server.latency_s = 0.1
    asked, kept = options(in_flight=8), []

    def keep(rows: list[dict]) -> None:
        kept.extend(rows)
        if len(kept) >= 20:
            raise Stopped("preempted")

    with pytest.raises(Stopped, match="preempted"):
        alpaca.annotate(make_pairs(100), asked, keep, ledger_of(tmp_path, asked))
    assert 20 <= len(lines(tmp_path)) == len(server.requests) <= 28
    judge(make_pairs(100), asked, tmp_path)
    assert len(server.requests) == 100


def test_both_orders_share_what_one_order_was_told_and_turn_with_the_sides(server, tmp_path):
    pairs = make_pairs(30)
    one = judge(pairs, options(), tmp_path)
    both = judge(pairs, options(both_orders=True), tmp_path)
    assert len(server.requests) == 60  # 30 of the 60 were known
    assert both == pytest.approx({p["instruction"]: expected(p, "both") for p in pairs}, abs=1e-9) and both != one
    turned = judge(
        [p | {"output_1": p["output_2"], "output_2": p["output_1"]} for p in pairs], options(both_orders=True), tmp_path
    )
    assert turned == pytest.approx({name: 3 - p for name, p in both.items()}, abs=1e-12) and len(server.requests) == 60


def test_a_budget_ends_the_work_and_raising_it_goes_on(server, tmp_path):
    """A pair costs about 1,400 prompt tokens at $2 a million as the server counts, and is estimated at a quarter of
    that.
    """
    with pytest.raises(JudgeFailed, match=r"the budget of \$0.01 is used up \(\$0.0\d spent in this store\)"):
        judge(make_pairs(500), options(model="gpt-4.1", in_flight=4, dollars=0.01), tmp_path)
    spent = sum(2.0 * a + 8.0 * b for a, b in (line["tokens"] for line in lines(tmp_path))) / 1e6
    before, dearest = len(server.requests), 8 * 0.004  # what is under way, at most
    assert before == len(lines(tmp_path)) and 0.01 - 0.004 < spent < 0.01 + dearest
    judge(make_pairs(20), options(model="gpt-4.1", dollars=1.0), tmp_path)
    assert len(server.requests) == 20 > before
    with pytest.raises(JudgeFailed, match="is used up"):  # by what was spent before, too
        judge(make_pairs(21), options(model="gpt-4.1", dollars=0.01), tmp_path)
    assert len(server.requests) == 20
    with pytest.raises(BadStudy, match="judge model local-model: limits has dollars, but no price of it is known"):
        judge(make_pairs(5), options(dollars=1.0), tmp_path)


def test_a_proxy_of_the_environment_is_used_and_an_entry_of_netrc_is_not(server, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine judge.invalid login somebody password else\n")
    for name, value in {
        "HOME": str(tmp_path),
        "http_proxy": server.url.removesuffix("/v1"),
        "OPENAI_BASE_URL": "http://judge.invalid/v1/",
        "OPENAI_PROJECT_ID": "proj_1",
        "OPENAI_API_KEY": f"{KEY}\n",
    }.items():
        monkeypatch.setenv(name, value)
    judge(make_pairs(4), options(), tmp_path)
    assert len(server.heads) == 4
    for head in server.heads:
        assert (
            head.startswith("POST http://judge.invalid/v1/chat/completions ")
            and f"\r\nAuthorization: Bearer {KEY}\r\n" in head
        )
        assert "\r\nOpenAI-Project: proj_1\r\n" in head and "OpenAI-Organization" not in head
    monkeypatch.setenv("no_proxy", "judge.invalid")
    with pytest.raises(JudgeFailed, match="ClientConnectorDNSError"):
        judge(make_pairs(5), options(), tmp_path)


def test_a_model_that_openai_shut_down_is_refused_before_any_call(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(
        BadStudy, match="gpt-4-1106-preview: OpenAI shut it down on 2026-03-26; legal is a model that is served"
    ):
        alpaca.annotate(make_pairs(3), Options(), [].extend)
