"""Cells of a made-up study, scored from rows."""

import zlib

import numpy as np

from winsweep.stats.comparison import Scored, score

from .published import make_rows


def rows(mean: float, seed: int = 0, num: int = 60, ties: bool = False) -> tuple[list[dict], list[str]]:
    """Rows of which the candidate wins about `mean`, with all that the judge stage writes."""
    rng = np.random.default_rng(seed)
    wins = np.full(num, 0.5) if ties else np.clip(rng.normal(mean, 0.3, num), 0, 1)
    made, texts = make_rows((1 + wins).tolist(), rng.integers(-200, 200, num).tolist())
    names = {
        "generator_1": "ref",
        "generator_2": "mine",
        "dataset": "d",
        "annotator": "j",
        "model": "m",
        "num_tokens": 5,
    }
    return [row | names for row in made], texts


def cell(
    task: str, seed: int, mean: float, outputs: str = "", epochs: int = 7, ties: bool = False
) -> tuple[dict, Scored]:
    """A row of the table and what it was made from."""
    scored = score(*rows(mean, seed=zlib.crc32(f"{task}{seed}".encode()), ties=ties), None)
    names = {
        "model": "llama",
        "task": task,
        "seed": seed,
        "epochs": epochs,
        "generate_key": outputs or f"{task}{seed}",
        "commit": "c",
    }
    return names | dict(scored.columns), scored
