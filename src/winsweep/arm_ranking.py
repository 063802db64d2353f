"""How arms that were compared with each other rank: the rows of STUDY.ranking.csv, and as a person reads them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winsweep import keys, screen
from winsweep.study.all_pairs import Pair
from winsweep.study.cell import Cell
from winsweep.workspace import Workspace

Arm = tuple[str, str]  # of a model, by what it is called in differences.csv
VERSION = 2  # of the numbers: with another, a ranking that is there is made again


def key(workspace: Workspace) -> str:
    """What a ranking is made from: the comparisons that are there by now; "" where none is or none is asked for."""
    there = sorted(
        {a.key for a in (_judged(workspace, pair) for pair in workspace.study.pairs) if a in _there(workspace)}
    )
    return keys.digest({"version": VERSION, "pairs": there}) if there else ""


def rows(workspace: Workspace) -> list[dict[str, Any]]:
    """A row for each arm, the strongest first, for each model (or all of them): from the comparisons that are there.

    Nothing of a model whose arms cannot all be held against each other yet.
    """
    groups: dict[str, list[Pair]] = {}
    is_across = any(pair.first.model != pair.second.model for pair in workspace.study.pairs)
    there = _there(workspace)
    for pair in workspace.study.pairs:
        if _judged(workspace, pair) in there:
            groups.setdefault("" if is_across else pair.first.model, []).append(pair)
    made = key(workspace)
    return [row | {"ranking_key": made} for of in groups.values() for row in _ranked(workspace, of)]


def lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ranking for a terminal; nothing without one."""
    if not found:
        return []
    heads = ("rank", "model", "arm", "wins %", "95 % interval", "may be rank")
    cells = [
        (
            str(row["rank"]),
            row["model"],
            row["arm"],
            f"{row['win_rate_pct']:.1f}",
            f"[{row['win_rate_low_pct']:.1f}, {row['win_rate_high_pct']:.1f}]",
            _span(row),
        )
        for row in found
    ]
    below = [
        "wins %: expected against an arm of average strength, by all comparisons of arms with each other.",
        *dict.fromkeys(_said(row) for row in found if row["note"]),
    ]
    return [
        "",
        *screen.grid(heads, cells, 3),
        *(line for text in below for line in screen.wrapped(text, screen.width())),
    ]


def _said(row: Mapping[str, Any]) -> str:
    """The note of a row, which names the arm where it is of that one."""
    who = f"{row['model']} {row['arm']} " if row["note"].startswith(("won everything", "lost everything")) else ""
    return f"note: {who}{row['note']}"


def _span(row: Mapping[str, Any]) -> str:
    ends = dict.fromkeys((row["rank_low"], row["rank_high"]))
    return " to ".join(map(str, ends))


def _there(workspace: Workspace) -> dict[Any, Path]:
    published = workspace.store.published()
    asked = {_judged(workspace, pair) for pair in workspace.study.pairs}
    return {a: published[a.key] for a in asked if a.key in published}


def _judged(workspace: Workspace, pair: Pair) -> Any:
    return workspace.need("judge", pair.comparison)


def _arm(cell: Cell) -> Arm:
    return cell.model, " ".join([cell.task, *(f"{name}={value}" for name, value in cell.varying)])


def _ranked(workspace: Workspace, of: Sequence[Pair]) -> list[dict[str, Any]]:
    from winsweep.stats import bradley_terry

    arms = list(dict.fromkeys(_arm(cell) for pair in of for cell in (pair.first, pair.second)))
    seeds = list(dict.fromkeys(pair.first.seed for pair in of))
    found = _wins(workspace, of, arms, seeds)
    if found.wins_CSN.shape[2] < 2 or not bradley_terry.is_connected(len(arms), found.pairs_C2):
        return []
    ranking = bradley_terry.rank(found)
    values = [e.value for e in ranking.strengths]
    order = sorted(range(len(arms)), key=lambda k: (-round(values[k], 7), arms[k]))
    return [
        _row(arms[k], 1 + sum(v > values[k] + bradley_terry.ALIKE for v in values), ranking, k)
        | {"num_arms": len(arms), "num_seeds": len(seeds), "n": _num_of(found, k)}
        for k in order
    ]


def _num_of(found: Any, k: int) -> int:
    """How many instructions count for an arm."""
    import numpy as np

    of_arm = found.wins_CSN[(found.pairs_C2 == k).any(axis=1)]
    return int(np.isfinite(of_arm).any(axis=(0, 1)).sum())


def _row(arm: Arm, place: int, ranking: Any, k: int) -> dict[str, Any]:
    from scipy.special import expit

    from winsweep.stats.bradley_terry import LOSES, WINS

    found, (low, high), side = ranking.strengths[k], ranking.ranks[k], ranking.sides[k]
    bound = {1: WINS, -1: LOSES}.get(side, "")
    return {
        "model": arm[0],
        "arm": arm[1],
        "rank": place,
        "rank_low": low,
        "rank_high": high,
        "strength": found.value,
        "standard_error": found.error,
        "low": found.low,
        "high": found.high,
        "win_rate_pct": 100 * float(expit(found.value)),
        "win_rate_low_pct": 0.0 if side < 0 else 100 * float(expit(found.low)),
        "win_rate_high_pct": 100.0 if side > 0 else 100 * float(expit(found.high)),
        "note": bound or ranking.note,
    }


def _wins(workspace: Workspace, of: Sequence[Pair], arms: Sequence[Arm], seeds: Sequence[int]) -> Any:
    """What the arms won against each other, by instruction: those that count in some comparison."""
    import numpy as np

    from winsweep.stats.bradley_terry import Wins

    there, read = _there(workspace), {}
    for pair in of:
        a = _judged(workspace, pair)
        if a not in read:
            read[a] = _annotations(there[a])
    texts = {text: i for i, text in enumerate(dict.fromkeys(text for rows in read.values() for text, *_ in rows))}
    sides = [(arms.index(_arm(pair.first)), arms.index(_arm(pair.second))) for pair in of]
    places = {side: c for c, side in enumerate(dict.fromkeys(sides))}
    wins_CSN = np.full((len(places), len(seeds), len(texts)), np.nan)
    for pair, side in zip(of, sides, strict=True):
        left_out = {*pair.first.leave_out, *pair.second.leave_out}
        for text, dataset, won in read[_judged(workspace, pair)]:
            if dataset not in left_out:
                wins_CSN[places[side], seeds.index(pair.first.seed), texts[text]] = won
    is_asked_N = np.isfinite(wins_CSN).any(axis=(0, 1))
    return Wins(len(arms), np.array(list(places)), wins_CSN[:, :, is_asked_N])


def _annotations(folder: Path) -> list[tuple[str, str, float]]:
    """Of each row the instruction, its category, and what the candidate won of it."""
    found = json.loads((folder / "annotations.json").read_bytes())
    return [(row["instruction"], row["dataset"], row["preference"] - 1.0) for row in found]
