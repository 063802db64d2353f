"""A judge server for each test, named by the environment as a person would name it, and no other host within reach."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from winsweep.judge import batch_visit, batches, client, prices

from .batch_server import BatchServer
from .hostile import serving
from .server import JudgeServer

KEY = "sk-not-to-be-written-anywhere-123456"


def run_python(code: str, cwd: Path) -> str:
    """Standard output of `code` in a fresh interpreter; `-c` in `cwd` is where a .env file would be found."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    connect = socket.socket.connect

    def only_loopback(self: socket.socket, address: tuple) -> None:
        assert address[0] == "127.0.0.1", f"reached out to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_loopback)
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_BACKOFF_S", 0.04)
    with JudgeServer() as judge:
        monkeypatch.setenv("OPENAI_BASE_URL", judge.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield judge


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setattr(client, "BACKOFF_S", 0.001)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-our-workspace-123456")

    def start(act):
        found = serving(act)
        url, heads = found.__enter__()
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        started.append(found)
        return url, heads

    started: list = []
    yield start
    for each in started:
        each.__exit__(None, None, None)


@pytest.fixture
def batcher(monkeypatch):
    with BatchServer() as running:
        running.retry_after = 0.01
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        for name in ("UNSEEN_S", "SHORTEST_S", "PAUSE_S", "PART_S"):
            monkeypatch.setattr(batch_visit, name, 0.02)
        monkeypatch.setattr(batches, "PAUSE_S", 0.02)
        monkeypatch.setattr(batches, "BACKOFF_S", 0.01)
        yield running


@pytest.fixture
def priced(tmp_path, monkeypatch):
    def write(line: str) -> None:
        (tmp_path / "prices.yaml").write_text(f"date: 2026-01-01\nmodels:\n  {line}\n")
        monkeypatch.setattr(prices, "FILE", tmp_path / "prices.yaml")
        prices.table.cache_clear()

    yield write
    prices.table.cache_clear()
