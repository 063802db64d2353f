"""A judge behind an endpoint of this machine that draws its verdicts with a bias that a test knows."""

import hashlib
import math

import pytest

from tests.judge import server as judge_server
from tests.judge.conftest import KEY
from winsweep.judge import client

FIRST, LENGTH = 0.5, 3.0  # logits: of the first place, and of length as (a - b) / (a + b)


def verdict(first: str, second: str) -> float:
    """Log odds of the first output that leave no doubt, drawn once and for all for these texts."""
    odds = FIRST + LENGTH * (len(first) - len(second)) / max(1, len(first) + len(second))
    coin = int(hashlib.sha256(f"{first}\0{second}".encode()).hexdigest()[:13], 16) / 16**13
    return 9.0 if coin < 1 / (1 + math.exp(-odds)) else -9.0


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(judge_server, "logits", verdict)
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)
    with judge_server.JudgeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server
