"""How tests ask the judge alpaca: its options, its ledger, and what came of it."""

import json

from winsweep.judge.ledger import Ledger, place
from winsweep.judge.limits import Limits
from winsweep.judges import alpaca
from winsweep.judges.alpaca import Options


def options(model: str = "local-model", both_orders: bool = False, **limits) -> Options:
    return Options(model=model, both_orders=both_orders, limits=Limits(**{"timeout_s": 30.0} | limits))


def ledger_of(tmp_path, asked: Options) -> Ledger:
    tmp_path.mkdir(exist_ok=True)  # the store, which whoever asks finds there
    return Ledger(*place(tmp_path, "alpaca", alpaca.VERSION, alpaca.identity(asked)))


def judge(pairs: list[dict], asked: Options, tmp_path) -> dict[str, float]:
    rows: list[dict] = []
    alpaca.annotate(pairs, asked, rows.extend, ledger_of(tmp_path, asked))
    assert len(rows) == len(pairs)
    return {row["instruction"]: row["preference"] for row in rows}


def lines(tmp_path) -> list[dict]:
    return [json.loads(line) for path in tmp_path.glob(".judged/*/*.jsonl") for line in path.read_bytes().splitlines()]
