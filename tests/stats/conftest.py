"""No test of the statistics may reach out."""

import socket

import pytest


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: tuple) -> None:
        raise AssertionError(f"reached out to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
