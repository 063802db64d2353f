"""Win rates of arms by category and by length of the instruction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from winsweep.report.table import ReportTable
from winsweep.stats.by_group import group_rate, length_ranges

MOST = 40  # categories that are shown; those with the most instructions
Group = Mapping[str, Any]


def categories(table: ReportTable, arms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`names`: the categories of the instructions, those with most rows first; `rates`: of each arm and category that
    it answered `arm`, `group` (place in `names`), `n` and figures; empty where there are fewer than two.
    """
    cells = table.by_instruction.get("cells", [])
    of = {i: name for c in cells for i, name in zip(c["instruction"], c["dataset"]) if name}
    counts = Counter(of[i] for i in sorted(of))
    names = [name for name, _ in counts.most_common(MOST)]
    if len(names) < 2:
        return {"names": [], "left_out": 0, "rates": []}
    place = {name: i for i, name in enumerate(names)}
    rates = _rates(cells, arms, lambda cell: [place.get(d) for d in cell["dataset"]])
    return {"names": [str(name) for name in names], "left_out": len(counts) - len(names), "rates": rates}


def lengths(table: ReportTable, arms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same by ranges of the instructions' lengths in characters; `ranges` are [first, last]."""
    asked, cells = (
        [len(text) for text in table.by_instruction.get("instructions", [])],
        table.by_instruction.get("cells"),
    )
    ranges = length_ranges(asked) if asked and cells else []
    if len(ranges) < 2:
        return {"ranges": [], "rates": []}
    of = [next(i for i, (first, last) in enumerate(ranges) if first <= length <= last) for length in asked]
    return {
        "ranges": [list(r) for r in ranges],
        "rates": _rates(cells or [], arms, lambda cell: [of[i] for i in cell["instruction"]]),
    }


def _rates(cells: Sequence[Group], arms: Sequence[Mapping[str, Any]], group_of: Any) -> list[dict[str, Any]]:
    import numpy as np

    found = []
    for arm in arms:
        own = [cells[i] for i in arm["cells"]]
        groups = group_of(own[0])  # the seeds of an arm have the same instructions in the same order
        wins_SN = np.array([cell["preference"] for cell in own], dtype=float) - 1
        for group in sorted({g for g in groups if g is not None}):
            rate = group_rate(wins_SN[:, [i for i, g in enumerate(groups) if g == group]])
            found.append({"arm": arm["id"], "group": group, **vars(rate)})
    return found
