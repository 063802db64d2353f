"""How tests judge by batches, and what calls would have said to the same."""

import json
from pathlib import Path

from winsweep import keys
from winsweep.judge.ledger import place
from winsweep.judge.questions import ask_about
from winsweep.judges import alpaca

from . import asking
from .server import JudgeServer


def judge(pairs: list[dict], tmp_path, **limits) -> list[dict]:
    asked = asking.options(**{"batch": True} | limits)
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


def question_of(pair: dict):
    return ask_about(pair, "hash")[0].question


def question_key(pair: dict) -> str:
    asked = asking.options()
    return question_of(pair).key(keys.digest(place(Path(), "alpaca", alpaca.VERSION, alpaca.identity(asked))[1]))
