"""Which of several validation runs is the best, and which of the others the judged instructions cannot tell from it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from winsweep.report.winrate import LC, length_controlled, win_rate


@dataclass(frozen=True)
class Run:
    """One validation run: what it won of each instruction, as fractions in their order, and its length-controlled win rate."""

    wins_N: np.ndarray
    lc: LC


def read_run(judged: Path, asked: Sequence[str]) -> Run:
    """The judged run in a directory; `asked` gives the order of its instructions."""
    rows = json.loads((judged / "annotations.json").read_bytes())
    preferences = {row["instruction"]: row["preference"] for row in rows}
    return Run(np.array([preferences[text] for text in asked]) - 1, length_controlled(rows, asked))


def choose(runs: Sequence[Run], by: Literal["lc_win_rate", "win_rate"]) -> list[dict[str, Any]]:
    """A line for each run: its figures in percent, whether it is picked (the highest; of equals the first), whether it ties with that.

    A tie is a run whose figure is no further from the best than one standard error of the difference of the two, taken
    over the same instructions: the sample deviation of the paired differences in wins / √n, for either figure.
    """
    scores = [run.lc.win_rate_pct if by == "lc_win_rate" else 100 * float(run.wins_N.mean()) for run in runs]
    best = int(np.argmax(scores))
    return [_line(run, n == best, scores[best] - scores[n], _difference_error_pct(run.wins_N, runs[best].wins_N)) for n, run in enumerate(runs)]


def _line(run: Run, is_picked: bool, behind_pct: float, error_pct: float) -> dict[str, Any]:
    wins, error = win_rate(run.wins_N + 1)
    return {"n": len(run.wins_N), "lc_win_rate_pct": run.lc.win_rate_pct, "lc_standard_error_pct": run.lc.standard_error_pct,
            "lc_formula": run.lc.formula, "win_rate_pct": 100 * wins, "standard_error_pct": 100 * error, "behind_pct": behind_pct,
            "behind_standard_error_pct": error_pct, "is_picked": is_picked, "is_tied": not is_picked and behind_pct <= error_pct}


def _difference_error_pct(wins_N: np.ndarray, best_N: np.ndarray) -> float:
    num = len(wins_N)
    return 100 * float(np.std(wins_N - best_N, ddof=1)) / num**0.5 if num > 1 else 50.0
