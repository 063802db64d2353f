"""The rows of STUDY.style.csv: what the judge makes of length and Markdown, for each cell and for the seeds of an arm
together.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from winsweep.stats.arm_means import MEAN, Family
from winsweep.stats.style import UNITS, Taste
from winsweep.stats.uncertainty import over_seeds

Row = Mapping[str, Any]


def style_rows(of: Sequence[Family], varying: Sequence[str]) -> list[dict[str, object]]:
    """A row for each cell and covariate, then for each arm with several seeds; columns.STYLE says what they hold."""
    cells = [
        _names(row, varying) | plain(taste) for family in of for row, cell in family for taste in cell.style.tastes
    ]
    means = [
        _names(family[0][0], varying) | {"seed": MEAN} | _mean([cell.style.tastes[i] for _, cell in family])
        for family in of
        if len(family) > 1
        for i in range(len(family[0][1].style.tastes))
    ]
    return [*cells, *means]


def plain(taste: Taste) -> dict[str, object]:
    """A taste under the names of columns.STYLE."""
    return {
        "covariate": taste.name,
        "log_odds": taste.log_odds,
        "standard_error": taste.standard_error,
        "low": taste.low,
        "high": taste.high,
        "odds": None if taste.log_odds is None else math.exp(taste.log_odds),
        "deviation": taste.deviation,
        "mean": taste.mean,
        "mean_reference": taste.mean_reference,
        "unit": UNITS[taste.name],
        "why": taste.why,
    }


def _names(row: Row, varying: Sequence[str]) -> dict[str, object]:
    return {name: row.get(name) for name in ("model", "task", *varying, "seed")}


def _mean(of: Sequence[Taste]) -> dict[str, object]:
    """The seeds' mean, where every seed has a fit."""
    row = plain(of[0]) | {
        name: fmean(getattr(taste, name) for taste in of) for name in ("deviation", "mean", "mean_reference")
    }
    weights = [t.log_odds for t in of if t.log_odds is not None]
    influences = [t.psi_N for t in of if t.psi_N is not None]
    if len(weights) < len(of):
        none = dict.fromkeys(("log_odds", "standard_error", "low", "high", "odds"))
        return row | none | {"why": next(t.why for t in of if t.why)}
    found = over_seeds(np.array(weights), np.stack(influences))
    return row | {
        "log_odds": found.value,
        "standard_error": found.error,
        "low": found.low,
        "high": found.high,
        "odds": math.exp(found.value),
    }
