"""No test of the statistics may reach out; launch/score.py as tests call it."""

import socket
import sys

import pytest

from winsweep.graph import load

from .score_files import ROOT


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: tuple) -> None:
        raise AssertionError(f"reached out to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def score(monkeypatch, capsys, tmp_path):
    """The command in this process: its words to exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WINSWEEP_DATA", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["score.py", *map(str, words)])
        code = load(ROOT / "launch/score.py", "launch").main()
        return code, *capsys.readouterr()

    return run
