"""Judging by batches: the same rows as call by call, whatever the endpoint does to files, lines and batches."""

import json
import os
from collections import Counter

import pytest

from winsweep.errors import JudgeFailed, JudgeRefused, Waiting
from winsweep.judge import batch_visit, batches
from winsweep.judges import alpaca

from . import asking
from .batch_server import LINE_FAULTS, BatchServer
from .conftest import KEY
from .pairs import make_pairs
from .server import JudgeServer


@pytest.fixture
def server(monkeypatch):
    with BatchServer() as running:
        running.retry_after = 0.01
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        for name in ("UNSEEN_S", "SHORTEST_S", "PAUSE_S"):
            monkeypatch.setattr(batch_visit, name, 0.02)
        monkeypatch.setattr(batches, "PAUSE_S", 0.02)
        monkeypatch.setattr(batches, "BACKOFF_S", 0.01)
        yield running


def judge(pairs: list[dict], tmp_path, **limits) -> list[dict]:
    asked = asking.options(batch=True, **limits)
    rows: list[dict] = []
    alpaca.annotate(pairs, asked, rows.extend, asking.ledger_of(tmp_path, asked))
    return sorted(rows, key=lambda row: row["instruction"])


def by_calls(pairs: list[dict], tmp_path, monkeypatch) -> list[dict]:
    asked, rows = asking.options(), []
    with JudgeServer() as calls, monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", calls.url)
        alpaca.annotate(pairs, asked, rows.extend, asking.ledger_of(tmp_path, asked))
    return sorted(rows, key=lambda row: row["instruction"])


def undated(rows: list[dict]) -> bytes:
    return json.dumps([row | {"date": ""} for row in rows], ensure_ascii=False).encode()


def test_rows_are_those_of_calls_whatever_lines_come(tmp_path, server, monkeypatch):
    """Each kind of fault at each first request; each question is asked again as often as it must, and no more."""
    pairs, dealt = make_pairs(60), Counter()

    def choose(key: str, nth: int) -> str:
        if nth > 1 + int(key, 16) % 2:
            return "ok"
        dealt[key] += 1
        return LINE_FAULTS[(int(key, 16) // 7 + nth) % len(LINE_FAULTS)]

    server.choose, server.extras = choose, 0.3
    assert undated(judge(pairs, tmp_path / "a")) == undated(by_calls(pairs, tmp_path / "b", monkeypatch))
    assert set(server.good.values()) == {1} and len(server.good) == 60
    assert server.asked == Counter({key: 1 + dealt[key] for key in server.asked})
