"""What a study will be able to find, in words, before it is run: from its numbers of instructions, seeds and arms."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winsweep.amounts import plural
from winsweep.costs import forecast
from winsweep.results import path_of
from winsweep.store import small_files
from winsweep.study.cell import Cell
from winsweep.workspace import Workspace

if TYPE_CHECKING:
    from winsweep.stats.power import Noise

MOST = 50.0  # points that a win rate can be from 50
LARGEST = 100_000_000  # bytes of an earlier table's figures that are read


def lines(workspace: Workspace) -> list[str]:
    """Two lines: the differences that are found 4 times in 5, of an arm from 50 and of two arms, and what is assumed.
    Nothing where the instructions cannot be counted, or no arm is tested.
    """
    cells = [workspace.cells[label] for label in workspace.judged if label in workspace.cells]
    arms = _tested(cells)
    if not workspace.has_table or not arms:
        return []
    num = forecast.num_rows(workspace, next(iter(workspace.judged.values())).inputs["instructions"])
    if num is None or num < 2:
        return []
    from winsweep.stats import power  # scipy

    num_seeds = len({cell.seed for cell in cells})
    noise = _seen(path_of(workspace).with_suffix(".instructions.json")) or power.PUBLISHED
    of_parity = power.detectable(power.of_parity(noise, num, num_seeds), num, num_seeds, len(arms))
    num_pairs = sum(math.comb(num_arms, 2) for num_arms in Counter((a[0], a[-1]) for a in arms).values())
    far = f"an arm {of_parity:.1f} points or more from 50" if of_parity <= MOST else "no arm"
    found = f"{far} is found 4 times in 5{'' if of_parity <= MOST else ', however far from 50'}"
    tests = f"{len(arms):,}"
    if num_pairs:
        apart = power.detectable(power.of_two_arms(noise, num, num_seeds), num, num_seeds, num_pairs)
        found += _of_pairs(apart, of_parity <= MOST)
        tests += f" and {num_pairs:,}"
    corrected = "" if tests == "1" else f" after Holm's correction for {tests} tests"
    return [
        f"{plural(num, 'instruction')} × {plural(num_seeds, 'seed')}: {found} (p < 0.05{corrected})",
        f"    assumed: {noise.source}",
    ]


def _of_pairs(apart: float, is_parity_found: bool) -> str:
    """What follows of two arms on what is said of one from 50; no two can be more than 100 points apart."""
    if apart > 2 * MOST:
        return "; no two arms are, however far apart"
    far = f"{apart:.1f} points or more apart"
    return f", and so are two arms {far}" if is_parity_found else f"; two arms that are {far} are told apart"


def _tested(cells: Sequence[Cell]) -> list[tuple[object, ...]]:
    """The arms of each model that are not their own reference, each with what it leaves out: arms that leave out
    something else have other instructions, and are not compared.
    """
    return list(
        dict.fromkeys(
            (c.model, c.task, c.varying, frozenset(c.leave_out))
            for c in cells
            if c.comparison.candidate != c.comparison.reference
        )
    )


def _seen(path: Path) -> "Noise | None":
    """What moved the wins of the study's last table; None where there is none, or it says too little."""
    from winsweep.stats.power import noise_of

    try:
        cells = json.loads(small_files.content(path, LARGEST) or b"")["cells"]
        return noise_of(_arms(cells), f"what moved the wins in this study's last table, {path.name}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _arms(cells: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Win rates and influences of the arms of the largest group that were judged on the same instructions."""
    import numpy as np

    groups: dict[tuple, dict[tuple, list[Mapping[str, Any]]]] = {}
    for cell in cells:
        row = cell["row"]
        arm = (row["model"], row["task"], *(v for k, v in row.items() if k in _varying(row)))
        groups.setdefault((row["model"], *cell["instruction"]), {}).setdefault(arm, []).append(cell)
    largest = max(groups.values(), key=len, default={})
    return [
        (
            np.array([cell["row"]["paired_win_rate_pct"] for cell in of]),
            np.array([cell["paired_influence_pct"] for cell in of]),
        )
        for of in largest.values()
    ]


def _varying(row: Mapping[str, Any]) -> list[str]:
    from winsweep.stats.columns import varying

    return varying(row)
