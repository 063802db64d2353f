"""The published AlpacaEval models at hand, as annotation rows and as arrays, and the bootstrap that standard errors are
checked by.
"""

import csv
import json
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from winsweep.stats import glm, official
from winsweep.stats.annotations import Judged, judged
from winsweep.stats.official import Table, read_table
from winsweep.stats.paired import OWN_REFERENCE, UNPENALISED

DATA = Path(os.environ.get("WINSWEEP_DATA") or Path(__file__).parents[2] / "../shared/data")
TABLE = DATA / "alpaca_lc/df_gamed.csv"
needs_data = pytest.mark.skipif(
    not TABLE.exists(), reason=f"{TABLE} is not there; set WINSWEEP_DATA to the folder of real data"
)


@dataclass(frozen=True)
class Model:
    """A published model; `c` is None where it is the baseline itself."""

    era: str
    name: str
    win_rate: float
    standard_error: float | None
    lc: float
    c: float | None

    def __str__(self) -> str:
        return f"{self.era}-{self.name}"


@cache
def instructions() -> tuple[str, ...]:
    with open(DATA / "alpaca_eval_805_instructions.jsonl", encoding="utf-8") as f:
        return tuple(json.loads(line)["instruction"] for line in f)


@cache
def table() -> Table:
    return read_table(TABLE)


@cache
def read(name: str) -> tuple[dict[str, str], ...]:
    with open(DATA / f"alpaca_lc/{name}.csv", newline="") as f:
        return tuple(csv.DictReader(f))


def models() -> list[Model]:
    """Every published model; none where the data is not at hand."""
    found = [(era, r) for era in ("ae2", "ae1") for r in read(f"{era}_official")] if TABLE.exists() else []
    return [
        Model(
            era,
            r["model"],
            float(r["win_rate"]),
            float(r["standard_error"]) if r.get("standard_error") else None,
            float(r["length_controlled_winrate"]),
            float(r["C"]) if r["C"] else None,
        )
        for era, r in found
    ]


def fitted() -> list[Model]:
    return [model for model in models() if model.c]


def rows_of(model: Model) -> list[dict]:
    """Its annotation rows in published order, outputs replaced by as many letters; AlpacaEval 1 wrote a tie as 0, and
    nothing for no judgement.
    """
    mine = [r for r in read(f"{model.era}_preferences") if r["model"] == model.name]
    return [
        make_row(
            instructions()[int(r["pos"])],
            (float(r["preference"]) or 1.5) if r["preference"] else None,
            int(r["len_1"]),
            int(r["len_2"]),
        )
        for r in mine
    ]


def arrays_of(model: Model) -> Judged:
    """Rows placed by their instruction."""
    return judged(rows_of(model), instructions(), can_lack=True)


def as_published(model: Model) -> Judged:
    """Row i with the difficulty of instruction i, as the published numbers were made; six of the leaderboard's files
    lack rows or have one out of place.
    """
    rows = rows_of(model)
    return official.by_position(judged(rows, [row["instruction"] for row in rows], can_lack=True))


def make_row(text: str, preference: float | None, chars_1: int, chars_2: int) -> dict:
    return {
        "instruction": text,
        "output_1": "x" * chars_1,
        "output_2": "x" * chars_2,
        "preference": preference,
        "truncated": False,
    }


def make_rows(preferences: list, deltas: list[int]) -> tuple[list[dict], list[str]]:
    """Rows whose candidate is longer by `deltas`, and their instructions in order."""
    texts = [f"instruction {i:03d}" for i in range(len(preferences))]
    return [
        make_row(t, None if p is None else float(p), 500, 500 + d) for t, p, d in zip(texts, preferences, deltas)
    ], texts


def drawn(rows: Judged, indices_N: np.ndarray) -> Judged:
    """A sample of the rows."""
    return replace(
        rows,
        wins_N=rows.wins_N[indices_N],
        chars_1_N=rows.chars_1_N[indices_N],
        chars_2_N=rows.chars_2_N[indices_N],
        indices_N=rows.indices_N[indices_N],
    )


def paired_bootstrap(rows: Judged, num_draws: int) -> np.ndarray:
    """Head-to-head win rates of rows drawn with replacement, in percent, refitted all at once; every row is judged."""
    num = len(rows.wins_N)
    drawn_DN = np.random.default_rng(0).integers(0, num, (num_draws, num))
    longer_DN = rows.longer_N[drawn_DN]
    features = [np.ones((num_draws, num)), np.tanh(longer_DN / longer_DN.std(axis=1, ddof=1)[:, None])]
    features += [table().difficulty_N[rows.indices_N[drawn_DN]]] if rows.reference == OWN_REFERENCE else []
    x_DFN = np.stack(features, axis=1)
    weights_DF = glm.fit(
        glm.Rows(x_DFN, rows.wins_N[drawn_DN], np.ones((num_draws, num))), np.full(num_draws, UNPENALISED)
    )
    weights_DF[:, 1] = 0  # equal length
    return 100 * expit((weights_DF[:, None] @ x_DFN)[:, 0]).mean(axis=1)


def bootstrap_pct(rows: Judged, c: float, num_draws: int, seed: int = 0) -> float:
    """Standard error of the official number by refitting it to rows drawn with replacement."""
    rng, num = np.random.default_rng(seed), len(rows.wins_N)
    draws = [drawn(rows, rng.integers(0, num, num)) for _ in range(num_draws)]
    return float(np.std([fit.win_rate_pct for fit in official.fast(draws, table(), c)], ddof=1))
