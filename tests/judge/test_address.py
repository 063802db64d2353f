"""Where an endpoint is: OpenAI's form, Azure's two, and that a key stands in a header alone."""

import json
import math

import pytest

from winsweep.errors import BadStudy, JudgeFailed
from winsweep.judge import address

from .asking import judge, options
from .conftest import KEY
from .hostile import sent
from .pairs import make_pairs

AT = "https://mine.openai.azure.com"


def read(url: str = "", **more: str) -> address.Address:
    return address.read({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k", **more})


@pytest.mark.parametrize(
    ("url", "more", "wanted"),
    [
        ("", {}, ("https://api.openai.com/v1/", "", "Authorization")),
        ("http://localhost:8000/v1", {}, ("http://localhost:8000/v1/", "", "Authorization")),
        (
            f"{AT}/openai/deployments/judge?api-version=2025-01-01",
            {},
            (f"{AT}/openai/deployments/judge/", "?api-version=2025-01-01", "api-key"),
        ),
        (
            f"{AT}/openai/deployments/judge/chat/completions?api-version=2025-01-01",  # as the portal shows it
            {},
            (f"{AT}/openai/deployments/judge/", "?api-version=2025-01-01", "api-key"),
        ),
        (
            f"{AT}/openai/deployments/judge/",
            {"OPENAI_API_VERSION": "2025-01-01"},
            (f"{AT}/openai/deployments/judge/", "?api-version=2025-01-01", "api-key"),
        ),
        (f"{AT}/openai/v1/", {}, (f"{AT}/openai/v1/", "", "api-key")),
        (f"{AT}/openai/v1?api-version=preview", {}, (f"{AT}/openai/v1/", "?api-version=preview", "api-key")),
        (AT, {}, (f"{AT}/openai/v1/", "", "api-key")),
        (
            "https://gate.uni.example/openai/v1",
            {"OPENAI_API_TYPE": "azure"},
            ("https://gate.uni.example/openai/v1/", "", "api-key"),
        ),
        (f"{AT}/openai/v1", {"OPENAI_API_TYPE": "azure_ad"}, (f"{AT}/openai/v1/", "", "Authorization")),
    ],
)
def test_an_address_is_read_as_its_owner_writes_it(url, more, wanted):
    found = read(url, **more)
    assert (found.url, found.query, *found.headers) == wanted


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        (f"{AT}/openai/deployments/judge", {}, r"without a version; legal for Azure are .*add \?api-version=VERSION"),
        (f"{AT}/v1", {}, r"found the path '/v1' at Azure; legal for Azure are https://NAME.openai.azure.com/openai/v1"),
        (f"{AT}/openai/v1?api-key=secret", {}, r"found api-key= in it; .*put the key into OPENAI_API_KEY"),
        ("https://me:pw@host/v1", {}, r"and a user; legal is"),
        ("ftp://host/v1", {}, r"found scheme 'ftp'"),
        ("http://host/v1", {"OPENAI_API_KEY": ""}, r"OPENAI_API_KEY: not set"),
    ],
)
def test_what_is_no_address_is_refused_and_shows_no_key(url, more, told):
    with pytest.raises(BadStudy, match=told) as caught:
        read(url, **more)
    assert "secret" not in str(caught.value) and "pw" not in str(caught.value)


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests", "404 Not Found"])
def test_azures_form_is_asked_as_azure_wants_it_and_its_key_is_told_to_nobody(endpoint, monkeypatch, tmp_path, status):
    tops = [{"token": "m", "logprob": -0.1}, {"token": "M", "logprob": -2.4}]
    choice = {"message": {"content": "m"}, "logprobs": {"content": [{"top_logprobs": tops}]}}
    said = {"model": "gpt", "choices": [choice]} if status == "200 OK" else {"error": {"message": f"no, {KEY} is bad"}}
    url, heads = endpoint(sent(json.dumps(said).encode(), status, "Retry-After: 9999\r\n"))
    monkeypatch.setenv("OPENAI_BASE_URL", url.replace("/v1", "/openai/deployments/judge"))
    monkeypatch.setenv("OPENAI_API_TYPE", "azure")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
    if status == "200 OK":
        first_wins = 1 / (1 + math.exp(-2.3))
        said_of = judge(make_pairs(3), options(), tmp_path).values()
        assert all(min(abs(p - 1 - first_wins), abs(p - 2 + first_wins)) < 1e-9 for p in said_of)
    else:
        with pytest.raises(JudgeFailed) as caught:
            judge(make_pairs(3), options(), tmp_path)
        assert KEY not in str(caught.value) and status[:3] in str(caught.value)
    head = heads[0].split(b"\r\n\r\n")[0].decode()
    assert head.startswith("POST /openai/deployments/judge/chat/completions?api-version=2025-01-01 HTTP")
    assert f"api-key: {KEY}" in head and "Authorization" not in head
