"""A judge server for each test, named by the environment as a person would name it, and no other host within reach."""

import socket
from collections.abc import Iterator

import pytest

from .server import JudgeServer

KEY = "sk-not-to-be-written-anywhere-123456"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    connect = socket.socket.connect

    def only_loopback(self: socket.socket, address: tuple) -> None:
        assert address[0] == "127.0.0.1", f"reached out to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_loopback)
    with JudgeServer() as judge:
        monkeypatch.setenv("OPENAI_BASE_URL", judge.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield judge
