"""Caches of one's own, and a server on the loopback, for tests of what is fetched."""

import pytest

from tests.core.fetched import ROWS
from tests.core.servers import Server, serving


@pytest.fixture
def caches(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web():
    with serving(Server({"/rows.jsonl": ROWS, "/cut.jsonl": ROWS}, cut=("/cut.jsonl",))) as server:
        yield server
