"""What an endpoint's list of models says, asked over HTTP: reachable or not, the key, the model, its end; nothing of it
is believed blindly.
"""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from winsweep import layout
from winsweep.attempt.retry import PASSING
from winsweep.check import judge
from winsweep.check.finding import Finding, error_of
from winsweep.graph import load

KEY = "sk-not-to-be-shown"


def look(monkeypatch, status: int, body: bytes, url: str = "") -> dict[str, tuple[str, str]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    heard: list[tuple[str, str]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", url or f"http://127.0.0.1:{server.server_port}/v1")
        module = load(layout.JUDGES / "alpaca.py", "winsweep.judges")
        found = judge.look(module, module.Options(model="mine"))
        server.shutdown()
    assert url or heard == [("/v1/models", f"Bearer {KEY}")]
    assert not [f for f in found if KEY in str(f)]
    return {f.what: (f.verdict, f.text) for f in found}


def listing(**more: object) -> bytes:
    return json.dumps({"data": [{"id": "other"}, {"id": "mine", **more}]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict", "words"),
    [
        (200, listing(), "ok", "answers and serves mine"),
        (200, json.dumps({"data": [{"id": "other"}]}).encode(), "unknown", "does not list mine"),
        (404, b"no such page", "ok", "answers"),
        (405, b"", "ok", "answers"),
        (500, b"", "ok", "answers"),
        (200, b"[" * 100_000, "ok", "answers"),
        (200, b"\xff\x00", "ok", "answers"),
        (200, b'{"data": 3}', "ok", "answers"),
        (401, b"wrong key sk-not-to-be-shown", "problem", "HTTP 401 Unauthorized; check OPENAI_API_KEY"),
        (302, b"", "problem", "HTTP 302"),
    ],
)
def test_what_an_endpoint_answers(monkeypatch, status, body, verdict, words):
    said = look(monkeypatch, status, body)["endpoint"]
    assert said[0] == verdict and words in said[1]


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("2020-01-02", "problem"),
        (1577923200, "problem"),
        ("2999-01-01T00:00:00Z", "unknown"),
        (4e30, None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_a_day_of_shut_down_in_the_list(monkeypatch, said, verdict):
    assert look(monkeypatch, 200, listing(shutdown_date=said)).get("model mine", (None,))[0] == verdict


def test_nobody_at_the_endpoint(monkeypatch):
    monkeypatch.setattr(judge, "WAITS_S", (0.01, 0.02))
    said = look(monkeypatch, 200, b"", "http://127.0.0.1:9/v1")["endpoint"]
    assert said[0] == "problem" and "cannot be reached from here (ClientConnectorError)" in said[1]


def test_an_endpoint_that_is_away_for_a_moment_is_asked_once_more(monkeypatch):
    monkeypatch.setattr(judge, "WAITS_S", (0.5, 0.5, 2.0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    late = threading.Timer(0.8, lambda: servers.append(ThreadingHTTPServer(("127.0.0.1", port), Listing)))
    servers: list[ThreadingHTTPServer] = []
    late.start()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    module = load(layout.JUDGES / "alpaca.py", "winsweep.judges")
    serve = threading.Timer(0.9, lambda: servers[0].serve_forever())  # noqa: PLW0108  # there is none yet
    serve.start()
    found = judge.look(module, module.Options(model="mine"))
    servers[0].shutdown()
    servers[0].server_close()
    assert [f.verdict for f in found] == ["ok", "ok"] and error_of("judge", found) is None


def test_what_can_pass_by_itself_alone_is_not_what_a_person_must_mend():
    away, wrong = Finding("problem", "endpoint", "away", can_pass=True), Finding("problem", "model", "gone", "name one")
    assert error_of("judge", [Finding("ok", "key", "set")]) is None
    assert error_of("judge", [away], "mend it").kind == "network" in PASSING
    assert error_of("judge", [away, wrong]).kind == "config" not in PASSING
    assert str(error_of("judge", [away, wrong], "mend it")) == (
        "judge: endpoint: away\njudge: model: gone; name one\nmend it"
    )


class Listing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(listing())

    def log_message(self, *_: object) -> None:
        pass
