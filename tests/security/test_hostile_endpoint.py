"""An endpoint that floods, packs, puts off, redirects and asks for cookies: bounded bytes and time, and the key goes to
nobody else, is kept nowhere, and an answer goes to no other question.
"""

import email.utils
import json
import time

import pytest

from tests.judge.asking import judge, lines, options
from tests.judge.conftest import KEY
from tests.judge.hostile import FLOODS, HEAD, bomb, completion, sent, serving, top
from tests.judge.pairs import make_pairs
from winsweep.errors import JudgeFailed
from winsweep.judge import client, failure
from winsweep.judge import endpoint as door

ANSWER = completion(top("-0.1", "-2.0"))


def date_in(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
        ({"retry-after": 3000.0}, 3000.0),
        ({"retry-after": date_in(1e6)}, 86400.0),
        ({"retry-after": date_in(-1e6)}, 0.0),
        ({"retry-after": "Wed, 21 Oct 9999 07:28:00 GMT"}, 86400.0),
        ({"retry-after": "Wed, 21 Oct 99999999999 07:28:00 GMT"}, 0.0),
        ({"retry-after": "1e300"}, 86400.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "9" * 5000}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": ""}, 0.0),
        ({}, 0.0),
    ],
)
def test_a_rest_is_understood_in_seconds_and_as_a_date_and_is_a_day_at_most(said, most):
    # a number stands for a date so many seconds from now
    headers = {name: date_in(value) if isinstance(value, float) else value for name, value in said.items()}
    assert max(0.0, most - 60) <= failure.retry_after(headers) <= most


@pytest.mark.parametrize("rest", ["1e300", "9999", "Wed, 21 Oct 9999 07:28:00 GMT"])
def test_a_long_rest_ends_the_work_at_once_with_words(rest, endpoint, tmp_path):
    _, heads = endpoint(sent(b"{}", "429 Later", f"Retry-After: {rest}\r\n"))
    began = time.monotonic()
    with pytest.raises(JudgeFailed, match=r"the endpoint asks for [\d,]+\.0 s of rest"):
        judge(make_pairs(9), options(), tmp_path)
    assert time.monotonic() - began < 60 and len(heads) <= 3


@pytest.mark.parametrize("kind", ["endless", "headers", "header", "trailers", "members"])
def test_a_flood_is_cut_off(kind, endpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "PROBES", dict.fromkeys(client.PROBES, 1))
    endpoint(FLOODS.get(kind) or bomb(kind))
    with pytest.raises(JudgeFailed, match="3 of 3 pairs have no preference"):
        judge(make_pairs(3), options(timeout_s=5.0), tmp_path)


def test_the_key_does_not_follow_a_redirect(endpoint, tmp_path):
    with serving(sent(ANSWER)) as (elsewhere, got):
        endpoint(sent(b"{}", "307 Temporary", f"Location: {elsewhere}/chat/completions\r\n"))
        with pytest.raises(JudgeFailed, match="a redirect to .*, which is not followed"):
            judge(make_pairs(3), options(), tmp_path)
    assert not got


def test_cookies_are_not_kept_and_netrc_is_not_read(endpoint, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password stolen\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("default login mallory password stolen\n")
    _, heads = endpoint(sent(ANSWER, headers="Set-Cookie: a=b; Path=/\r\n"))
    judge(make_pairs(5), options(in_flight=1), tmp_path)
    told = b"".join(heads)
    assert b"cookie" not in told.lower() and f"Bearer {KEY}".encode() in told and b"Basic" not in told


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_that_of_the_environment_for_the_address(name, monkeypatch):
    for each in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(each, raising=False)
    assert door._proxy("http://judge.example/v1/") is None
    monkeypatch.setenv(name, "http://127.0.0.1:3128")
    assert door._proxy("http://judge.example/v1/") == (None if name == "ALL_PROXY" else "http://127.0.0.1:3128")
    assert door._proxy("https://judge.example/v1/") is None
    monkeypatch.setenv("NO_PROXY", "judge.example")
    assert door._proxy("http://judge.example/v1/") is None


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(endpoint, tmp_path):
    """Sent a moment after the right one, on a connection that is kept."""
    stale = completion(top("-5", "-0.01"), model='"stale"')

    def twice(client) -> None:
        for body in (ANSWER, stale):
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.05)

    endpoint(twice)
    judge(make_pairs(3), options(in_flight=1, requests_per_minute=60), tmp_path)  # the next a second later
    assert {line["judgement"]["served_model"] for line in lines(tmp_path)} == {"served"}


@pytest.mark.parametrize("at", ["model", "text", "escaped"])
def test_an_answer_that_repeats_the_key_is_not_kept(at, endpoint, tmp_path, monkeypatch):
    key = "sk/not/to/be/kept/0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    found = json.loads(ANSWER)
    found["model" if at == "model" else "choices"] = key if at == "model" else [found["choices"][0] | {"message": key}]
    if at != "model":
        found["choices"][0]["message"] = {"content": "m", "debug": {"authorization": f"Bearer {key}"}}
    body = json.dumps(found).encode()
    endpoint(sent(body.replace(b"/", b"\\/") if at == "escaped" else body))
    with pytest.raises(JudgeFailed, match="an answer that repeats OPENAI_API_KEY"):
        judge(make_pairs(2), options(), tmp_path)
    assert not any(key.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
