"""Votes of drawn people on drawn answers, in the form in which AlpacaEval publishes them, and the command."""

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from winsweep import layout
from winsweep.graph import load
from winsweep.validation.pair import Pair

WORDS = "river stone light winter paper garden quiet music number window".split()


def text(rng: random.Random, least: int = 4, most: int = 60) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(least, most))) + "."


def published(num: int, votes: int = 4, seed: int = 1, sure: float = 0.8) -> list[dict]:
    """Rows as in alpaca_farm_human_crossannotations.json: one for each annotator of each pair. People vote for the
    answer that is better (a coin says which) with the probability `sure`.
    """
    rng, rows = random.Random(seed), []
    for n in range(num):
        better = rng.choice((1, 2))
        pair = {"instruction": f"Say thing {n} of {rng.choice(WORDS)}.", "output_1": text(rng), "output_2": text(rng)}
        for annotator in range(votes):
            vote = better if rng.random() < sure else 3 - better
            of = {"preference": vote, "annotator_index": annotator, "dataset": f"kind{n % 2}", "datasplit": "eval"}
            rows.append(pair | of)
    return rows


def pairs(num: int, seed: int = 1, votes: int = 3, sure: float = 0.8) -> list[Pair]:
    found: dict[str, Pair] = {}
    for row in published(num, votes, seed, sure):
        of = found.get(row["instruction"])
        said = (*(of.votes if of else ()), float(row["preference"]))
        found[row["instruction"]] = Pair(row["instruction"], row["output_1"], row["output_2"], said, row["dataset"])
    return list(found.values())


def write(path: Path, rows: Sequence[dict] | dict) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def validate(monkeypatch, *words: object) -> int:
    """Type `winsweep validate` with these words."""
    monkeypatch.setattr(sys, "argv", ["winsweep validate", *map(str, words)])
    main: Callable[[], int] = load(layout.LAUNCH / "validate.py", "winsweep.launch").main
    return main()


def card_of(store: Path) -> dict:
    (path,) = store.glob(".judged/*/card-*.json")
    return json.loads(path.read_text())
