"""What an endpoint that gives no judgement is taken for: what may pass by itself is a failure to try again, and the
rest is a refusal with what to type.
"""

import asyncio
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from winsweep.attempt.retry import PASSING
from winsweep.errors import JudgeFailed, JudgeRefused
from winsweep.judge import client, endpoint
from winsweep.judge.limits import Limits
from winsweep.judges import alpaca

from .asking import judge, lines, options
from .conftest import KEY
from .pairs import make_pairs

ASKED = {"model": "m", "messages": [], "max_tokens": 1}


class Answer(BaseHTTPRequestHandler):
    """Whatever is asked, the server's `status` and `body`."""

    def do_POST(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_CONNECT = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def anybody(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        running.status, running.body = 200, b"{}"
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{running.server_port}/v1")
        yield running
        running.shutdown()


def asked() -> endpoint.Failure:
    async def ask() -> endpoint.Failure:
        async with endpoint.connect("m", Limits(timeout_s=5.0)) as session:
            return await endpoint.ask(session, ASKED)

    return asyncio.run(ask())


def error(**said: object) -> bytes:
    return json.dumps({"error": said}).encode()


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_busy_endpoint_may_answer_later(anybody, status):
    anybody.status, anybody.body = status, error(message="busy", code="rate_limit_exceeded", type="tokens")
    found = asked()
    assert found.kind == "passing" and not found.do and f"HTTP {status}" in found.told


@pytest.mark.parametrize(
    "status, body, kind, do",
    [
        (401, error(message="wrong"), "refused", "set OPENAI_API_KEY"),
        (403, error(message="not yours"), "refused", "OPENAI_API_KEY"),
        (407, b"", "refused", "HTTPS_PROXY"),
        (302, b"", "refused", "set OPENAI_BASE_URL"),
        (400, error(message="no such content"), "rejected", "take these instructions out"),
        (400, error(message="You are not allowed to request logprobs from this model"), "rejected", "type samples: 8"),
        (400, error(message="Unsupported value: 'temperature' does not support 0"), "rejected", "whose parameters"),
        (400, error(message="Unrecognized request argument supplied: seed"), "rejected", "whose parameters"),
        (404, error(message="no such model", code="model_not_found"), "rejected", "name a model"),
        (413, b"", "rejected", "judge:"),
        (422, b'{"detail": "no"}', "rejected", "judge:"),
        (501, error(message="no log-probabilities here"), "rejected", "judge:"),
        (402, b"", "quota", "add credit"),
        (429, error(message="x", code="insufficient_quota"), "quota", "add credit"),
        (429, error(message="x", code=None, type="insufficient_quota"), "quota", "add credit"),
        (429, error(message="x", code="billing_not_active"), "quota", "add credit"),
        (400, error(message="x", code="billing_hard_limit_reached"), "quota", "add credit"),
        (
            429,
            error(message="Request too large for m on tokens per min (TPM)", code="rate_limit_exceeded"),
            "rejected",
            "judge:",
        ),
        (200, b"<html>hello", "unreadable", "OPENAI_BASE_URL"),
    ],
)
def test_what_no_later_call_changes_says_what_to_type(anybody, status, body, kind, do):
    anybody.status, anybody.body = status, body
    found = asked()
    assert found.kind == kind and do in found.do


def test_a_server_without_tls_and_a_certificate_of_nobody_will_not_pass(anybody, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_BASE_URL", f"https://127.0.0.1:{anybody.server_port}/v1")
    assert (asked().kind, asked().do) == ("refused", "correct OPENAI_BASE_URL: http:// in place of https://")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
    subprocess.run([*made, "-keyout", tmp_path / "k", "-out", tmp_path / "c"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")
    anybody.socket = context.wrap_socket(anybody.socket, server_side=True)
    found = asked()
    assert found.kind == "refused" and "certificate is not trusted" in found.told and "SSL_CERT_FILE" in found.do


def test_a_proxy_that_refuses_will_not_pass_and_a_broken_one_may(anybody, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://judge.invalid/v1")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{anybody.server_port}")
    anybody.status = 407
    assert (asked().kind, asked().told) == ("refused", "HTTP 407 of the proxy")
    anybody.status = 502
    assert asked().kind == "passing"


@pytest.mark.parametrize("fault", ["401", "404", "quota", "no logprobs", "other tokens", "not json", "400"])
def test_the_first_questions_that_nobody_answers_are_a_refusal(server, tmp_path, fault):
    server.faults = {"Question": [fault]}
    with pytest.raises(JudgeRefused, match="; what was judged is kept; [a-z]") as e:
        judge(make_pairs(20), options(), tmp_path)
    assert e.value.kind not in PASSING and "run again" not in str(e.value)


@pytest.mark.parametrize("fault", ["500", "429 busy", "closed", "429 long"])
def test_an_endpoint_in_trouble_is_tried_again(server, tmp_path, fault):
    server.faults = {"Question": [fault]}
    with pytest.raises(JudgeFailed, match="run again to judge what is missing") as e:
        judge(make_pairs(20), options(), tmp_path)
    assert e.value.kind in PASSING
    server.faults = {}
    assert len(judge(make_pairs(20), options(), tmp_path)) == 20


def test_a_budget_is_a_refusal_that_says_what_to_raise(server, tmp_path):
    with pytest.raises(JudgeRefused, match="the budget of .* is used up .*; raise dollars: in limits: to go on"):
        judge(make_pairs(500), options(model="gpt-4.1", in_flight=4, dollars=0.01), tmp_path)
    assert lines(tmp_path)


def test_one_question_that_may_still_be_answered_is_enough_to_try_again(server, tmp_path):
    server.faults = {"Question 5?": ["400"], "Question 7?": ["500"]}
    with pytest.raises(JudgeFailed, match="2 of 9 pairs") as e:
        judge(make_pairs(9), options(), tmp_path)
    assert e.value.kind == "judge"
    server.faults = {"Question 5?": ["400"]}
    with pytest.raises(JudgeRefused, match="1 of 9 pairs have no preference: #5 .*take these instructions out"):
        judge(make_pairs(9), options(), tmp_path)


def test_what_to_type_stands_behind_many_long_reasons(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "MOST", {"passing": 1, "unreadable": 1, "rejected": 1})
    server.choose = lambda prompt, nth: "ok" if len(server.requests) <= 3 else "400 long"
    pairs = [p | {"instruction": f"{p['instruction']} {'y' * 90}"} for p in make_pairs(60)]
    with pytest.raises(JudgeRefused) as e:
        alpaca.annotate(pairs, options(in_flight=64), [].extend)
    assert 1400 < len(str(e.value)) < 2000 and str(e.value).endswith("take these instructions out of the study")


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 8192 tokens", "code": 400},  # vLLM's
        {"message": "Your input exceeds the context window", "code": "context_length_exceeded"},  # OpenAI's
    ],
)
def test_a_prompt_that_is_longer_than_the_judge_reads_is_told_with_what_to_type(anybody, error):
    anybody.status, anybody.body = 400, json.dumps({"error": error}).encode()
    failure = asked()
    assert failure.kind == "rejected" and error["message"] in failure.told
    assert "name a judge in judge: that reads longer prompts" in failure.do and "max_new_tokens" in failure.do
