"""What is told of an endpoint that refuses, and never the key: its own words, an address, a header, a date."""

import time

import pytest

from winsweep.errors import BadStudy, JudgeFailed

from .asking import judge, options
from .conftest import KEY
from .hostile import error, sent
from .pairs import make_pairs


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            "400 Bad",
            error("Unsupported value: 'temperature' does not support 0.", param="temperature"),
            "HTTP 400 Bad Request: Unsupported value: 'temperature' does",
        ),
        (
            "400 Bad",
            error("No such value.", param="top_logprobs"),
            "HTTP 400 Bad Request: top_logprobs: No such value.",
        ),
        (
            "400 Bad",
            error("You are not allowed to request logprobs from this model", code=None),
            "not allowed to request logprobs from this model",
        ),
        (
            "404 No",
            b'{"object": "error", "message": "The model `local-model` does not exist.", "code": 404}',
            "HTTP 404 Not Found: The model `local-model` does not",
        ),
        ("422 No", b'{"detail": [{"loc": ["body", "max_tokens"], "msg": "too large"}]}', "body.max_tokens: too large"),
        ("404 No", b'{"detail": "Not Found"}', "HTTP 404 Not Found: Not Found"),
        ("400 Bad", b'{"error": "no logprobs here"}', "no logprobs here"),
        (
            "400 Bad",
            b"model local-model\r\n\x1b[2Jnot\x00 served",
            "HTTP 400 Bad Request: model local-model [2Jnot served",
        ),
        ("400 Bad", b"<html><h1>400</h1>", "HTTP 400 Bad Request"),
        ("200 OK", error("Provider returned an error", code=502), "(KeyError): Provider returned an error"),
        ("200 OK", error("No credit is left.", code="insufficient_quota"), "add credit to the account"),
        ("200 OK", b"upstream is away", "(JSONDecodeError): upstream is away"),
        ("200 OK", b"<html><h1>log in</h1>", "unreadable answer (JSONDecodeError)"),
        ("400 Bad", b'{"error": {"message": ' + b"[" * 5000, "HTTP 400 Bad Request"),
    ],
)
def test_a_refusal_is_told_in_the_endpoints_own_words(status, body, told, endpoint, tmp_path):
    endpoint(sent(body, status))
    with pytest.raises(JudgeFailed) as e:
        judge(make_pairs(3), options(), tmp_path)
    assert told in str(e.value) and "\n" not in str(e.value) and "\x1b" not in str(e.value)


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        f"Bearer {KEY}",
        KEY[:12],
        f"{KEY[:7]}***{KEY[-4:]}",
        KEY.upper(),
        KEY[::-1],
        "\u200b".join(KEY),
        " ".join(KEY),
        KEY.encode().hex(),
        "org-our-workspace-123456",
        "our-workspace-12",
        "sk-proj-abcdefgh",
        "https://user:hidden-word@proxy/",
        "api_key=hidden-word",
    ],
)
def test_no_secret_comes_out_in_those_words(echo, endpoint, tmp_path):
    for status in ("400 Bad", "401 No", "403 No", "404 No", "500 Oops"):
        endpoint(sent(error(f"You sent {echo} for local-model", param=echo, code=echo), status))
        with pytest.raises(JudgeFailed) as e:
            judge(make_pairs(3), options(), tmp_path)
        assert echo not in str(e.value) and "hidden-word" not in str(e.value)
        assert not [KEY[i : i + 8] for i in range(len(KEY) - 8) if KEY[i : i + 8] in str(e.value)]


def test_words_are_cut_and_a_short_key_hides_no_word(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    endpoint(sent(error("The model x does not exist. " + "y " * 5000), "404 No"))
    with pytest.raises(JudgeFailed) as e:
        judge(make_pairs(1), options("x"), tmp_path)
    assert "The model x does not exist." in str(e.value) and len(str(e.value)) < 700


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
def test_a_header_is_one_line(name, endpoint, tmp_path, monkeypatch):
    endpoint(sent(b""))
    monkeypatch.setenv(name, f"{KEY}\r\nX: y")
    with pytest.raises(BadStudy, match=f"{name}: holds a line break") as e:
        judge(make_pairs(1), options(), tmp_path)
    assert KEY not in str(e.value)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://a/v1", "http://", "http://a:b/v1", f"http://u:{KEY}@a/v1", "http://a\n/v1"]
)
def test_an_address_that_is_none_is_named_before_any_call(url, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(BadStudy, match=r"OPENAI_BASE_URL: found .*legal is https://HOST/v1") as e:
        judge(make_pairs(1), options(), tmp_path)
    assert KEY not in str(e.value)


def test_a_year_that_no_clock_has_is_no_rest(endpoint, tmp_path):
    begun = time.monotonic()
    endpoint(sent(b"{}", "429 Busy", f"Retry-After: Fri, 31 Dec {'9' * 30} 23:59:59 GMT\r\n"))
    with pytest.raises(JudgeFailed, match="HTTP 429 Too Many Requests"):
        judge(make_pairs(1), options(), tmp_path)
    assert time.monotonic() - begun < 20
