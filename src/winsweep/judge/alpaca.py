"""The one door to alpaca_eval 0.6.6: its parsers of replies and its length-controlled win rate, with the hidden globals pinned.

Pinned: no download, no weights in site-packages. Pairs are judged without it: its formatting lets an output fill another output's place or
open a new chat turn, and it keeps a failed row as -1 for ever.
"""

import contextlib
import csv
import importlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


Row = dict[str, Any]


def parse(name: str, kwargs: Row, completion: Any) -> list[Any]:
    """What alpaca_eval's completion parser `name` makes of a reply; it raises whatever a reply makes it raise."""
    return getattr(_import("alpaca_eval.completion_parsers"), name)(completion, **kwargs)


@dataclass(frozen=True)
class Fit:
    win_rate_pct: float
    length: float  # weight of tanh(standardised length difference)
    difficulty: float  # weight of the instruction's difficulty; 0 in the minimal formula
    merit: float  # weight of being the model rather than a gamed baseline


def length_controlled(
    preferences: list[float], chars_1: list[int], chars_2: list[int], table: Path | None, c: float | None = None
) -> Fit:
    """AlpacaEval's own length-controlled win rate of the side that `chars_2` belongs to.

    With a `table` (df_gamed.csv) the formula is length_controlled_v1 and row i is the table's instruction i; without one it is
    length_controlled_minimal. `c` fixes the inverse strength of the L1 penalty instead of 5-fold cross-validation.
    """
    sklearn, glm = importlib.import_module("sklearn"), _import("alpaca_eval.metrics.glm_winrate")
    name = "length_controlled_v1" if table else "length_controlled_minimal"
    info = glm.GLM_INFO[name] | ({} if c is None else {"kwargs": {"n_splits": 0, "C": c}})
    # only the lengths of outputs matter, so no model's text enters pandas; equal names would mean "the baseline itself"
    columns = zip(preferences, chars_1, chars_2, strict=True)
    rows = [{"preference": p, "output_1": "x" * a, "output_2": "x" * b, "generator_1": "r", "generator_2": "c"} for p, a, b in columns]
    with tempfile.TemporaryDirectory() as scratch, _pinned(glm, table or _blank_table(len(rows), Path(scratch))), _third_party_quiet():
        with sklearn.config_context():  # the fit switches a global option on
            said = glm.get_length_controlled_winrate(rows, name, save_weights_dir=scratch, is_warn_extreme_changes=False, glm_info=info)
        length, *difficulty, merit = _weights(Path(scratch) / name / "baseline_r.csv")
    return Fit(float(said["length_controlled_winrate"]), length, difficulty[0] if difficulty else 0.0, merit)


def _weights(file: Path) -> list[float]:
    with open(file, newline="") as f:
        return [float(x) for x in list(csv.reader(f))[1][1:]]


def _blank_table(num_rows: int, scratch: Path) -> Path:
    """A table whose difficulty is 0 everywhere: alpaca_eval reads one even for the formula that has no difficulty."""
    path = scratch / "blank.csv"
    rows = "".join(f"none,{i},0.0,0.0,False,0.5\n" for i in range(num_rows))
    path.write_text("model,index,std_delta_len,instruction_difficulty,not_gamed_baseline,preference\n" + rows)
    return path


@contextlib.contextmanager
def _pinned(glm: ModuleType, table: Path) -> Iterator[None]:
    download, glm.hf_hub_download = glm.hf_hub_download, lambda **_: str(table)
    try:
        yield
    finally:
        glm.hf_hub_download = download


@contextlib.contextmanager
def _third_party_quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        # the formula is what liblinear returns, converged or not; published figures hold such folds too
        for message in ("pkg_resources is deprecated", "Inconsistent values: penalty", "Liblinear failed to converge"):
            warnings.filterwarnings("ignore", message, UserWarning)
        yield


def _import(module: str) -> ModuleType:
    """Import with the side effects of importing alpaca_eval undone: a .env file read, the root log level, pkg_resources' warning."""
    before, level = set(os.environ), logging.getLogger().level
    with _third_party_quiet():
        found = importlib.import_module(module)
    for name in set(os.environ) - before:
        del os.environ[name]
    logging.getLogger().setLevel(level)
    return found
