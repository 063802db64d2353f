"""Which of several validation runs is the best, and which of the others the judged instructions cannot tell from it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from winsweep.stats.annotations import judged
from winsweep.stats.paired import Paired, paired
from winsweep.stats.winrate import win_rate


@dataclass(frozen=True)
class Run:
    """One validation run: what it won of each instruction, as fractions in their order, and its head-to-head win rate
    at equal length.
    """

    wins_N: np.ndarray
    paired: Paired


def read_run(folder: Path, asked: Sequence[str]) -> Run:
    """The judged run in a directory; `asked` gives the order of its instructions."""
    rows = judged(json.loads((folder / "annotations.json").read_bytes()), asked)
    return Run(rows.wins_N, paired(rows))


def choose(runs: Sequence[Run], by: Literal["lc_win_rate", "win_rate"]) -> list[dict[str, Any]]:
    """A line for each run: its figures in percent, whether it is picked (the highest; of equals the first), whether it
    ties with that.

    A tie is a run whose figure is no further from the best than one standard error of the difference of the two, taken
    over the same instructions: the sample deviation of the paired differences / √n, in wins or in their influence on
    the length-controlled win rate.
    """
    is_lc = by == "lc_win_rate"
    scores = [run.paired.win_rate_pct if is_lc else 100 * float(run.wins_N.mean()) for run in runs]
    effects = [run.paired.psi_N if is_lc else 100 * run.wins_N for run in runs]
    best = int(np.argmax(scores))
    return [
        _line(run, n == best, scores[best] - scores[n], _difference_error_pct(effects[n], effects[best]))
        for n, run in enumerate(runs)
    ]


def _line(run: Run, is_picked: bool, behind_pct: float, error_pct: float) -> dict[str, Any]:
    wins, error = win_rate((run.wins_N + 1).tolist())
    return {
        "n": len(run.wins_N),
        "lc_win_rate_pct": run.paired.win_rate_pct,
        "lc_standard_error_pct": run.paired.standard_error_pct,
        "lc_formula": run.paired.formula,
        "win_rate_pct": 100 * wins,
        "standard_error_pct": 100 * error,
        "behind_pct": behind_pct,
        "behind_standard_error_pct": error_pct,
        "is_picked": is_picked,
        "is_tied": not is_picked and behind_pct <= error_pct,
    }


def _difference_error_pct(effects_N: np.ndarray, best_N: np.ndarray) -> float:
    num = len(effects_N)
    return float(np.std(effects_N - best_N, ddof=1)) / num**0.5 if num > 1 else 50.0
