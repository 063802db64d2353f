"""The rows and columns of the board, and which entry of it is chosen. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from winsweep import arm_grid
from winsweep.watch.seen import Result, Seen
from winsweep.workspace import STAGES

INPUTS = "inputs"  # one column for what many arms share


@dataclass(frozen=True)
class Row:
    """An arm or a cell, with the results of each column."""

    model: str
    name: str
    results: Mapping[str, tuple[Result, ...]]


@dataclass(frozen=True)
class Choice:
    """What a person looks at: rows of arms or of cells, one entry, whether its log has the screen."""

    by: Literal["arms", "cells"] = "arms"
    row: int = 0
    column: int = 0
    is_log: bool = False
    moved: bool = False  # whether a key was pressed: until then the board chooses what is most pressing


@dataclass(frozen=True, eq=False)
class Table:
    """The rows and columns of a look."""

    seen: Seen | None = None
    by: str = ""
    rows: Sequence[Row] = ()
    heads: Sequence[str] = ()

    def is_of(self, seen: Seen, by: str) -> bool:
        """Whether it was made of just this look."""
        return self.seen is seen and self.by == by


def table(seen: Seen, by: str) -> Table:
    """The rows of arms or of cells, and the columns that a row has anything in."""
    found = rows(seen, by)
    used = {column for row in found for column in row.results}
    return Table(seen, by, found, [column for column in (INPUTS, *STAGES) if column in used])


def rows(seen: Seen, by: str) -> list[Row]:
    """Arms with the results of all their cells, or the cells, in the order of the study."""
    known = {r.key: r for r in seen.results}
    groups: dict[tuple[str, str], dict[str, dict[str, Result]]] = {}
    for cell in seen.cells:
        of = groups.setdefault(
            (cell.model, cell.arm if by == "arms" else cell.label.removeprefix(f"{cell.model}.")), {}
        )
        for stage, keys in cell.keys.items():
            column = INPUTS if stage in arm_grid.COMMON else stage
            of.setdefault(column, {}).update({key: known[key] for key in keys if key in known})
    return [
        Row(model, name, {column: tuple(found.values()) for column, found in of.items()})
        for (model, name), of in groups.items()
    ]


def pressing(results: Sequence[Result]) -> Result | None:
    """What a person should look at first; of two that are alike the later stage."""
    return min(results, key=lambda r: arm_grid.ORDER.index(r.state), default=None)


def entry(results: Sequence[Result]) -> tuple[str, str]:
    """The text of an entry, and the state that colours it."""
    first = pressing(results)
    if first is None:
        return "", "done"
    if len(results) == 1:
        return _single(first), first.state
    counts = Counter(r.state for r in results)
    signs = "".join(f" {counts[state]}{sign}" for state, sign in arm_grid.SIGNS.items() if counts[state])
    return f"{counts['done']}/{len(results)}{signs}", first.state


def _single(result: Result) -> str:
    if result.state == "running" and result.share is not None:
        return f"{result.share:.0%}"
    return {"done": "✓", "ready": "·", "waiting": "·"}.get(result.state) or arm_grid.SIGNS[result.state]


def chosen(choice: Choice, table: Table) -> Sequence[Result]:
    """The results of the entry that is looked at."""
    if not table.rows or not table.heads:
        return ()
    return table.rows[choice.row].results.get(table.heads[choice.column], ())


def follow(choice: Choice, table: Table) -> Choice:
    """Until a key was pressed, the choice is the first entry that failed, else a finetune that runs, else the
    last that runs, else stays."""
    if choice.moved:
        return choice
    places = _places(table)
    failed = [(n, m) for n, m, state in places if state == "failed"]
    running = [(n, m) for n, m, state in places if state == "running"]
    tuned = [(n, m) for n, m in running if table.heads[m] == "finetune"]
    n, m = (failed[:1] or tuned[:1] or running[-1:] or [(choice.row, choice.column)])[0]
    return replace(choice, row=n, column=m)


def _places(table: Table) -> list[tuple[int, int, str]]:
    """Row, column and state of every result, in reading order."""
    return [
        (n, m, r.state)
        for n, row in enumerate(table.rows)
        for m, head in enumerate(table.heads)
        for r in row.results.get(head, ())
    ]


def moved(choice: Choice, key: str, table: Table, page: int) -> Choice:
    """The choice after a key."""
    num = len(table.rows)
    down = {"up": -1, "down": 1, "page up": -page, "page down": page, "home": -num, "end": num}.get(key, 0)
    right = {"left": -1, "right": 1}.get(key, 0)
    if key == "enter":
        return replace(choice, is_log=not choice.is_log, moved=True)
    if key == "escape":
        return replace(choice, is_log=False)
    if key == "c":
        return Choice("cells" if choice.by == "arms" else "arms")
    if key == "f":
        return next_failed(choice, table)
    row = max(0, min(choice.row + down, num - 1))
    column = max(0, min(choice.column + right, len(table.heads) - 1))
    return replace(choice, row=row, column=column, moved=choice.moved or bool(down or right))


def next_failed(choice: Choice, table: Table) -> Choice:
    """The next entry that failed, in reading order, from the start again after the last."""
    failed = [(n, m) for n, m, state in _places(table) if state == "failed"]
    if not failed:
        return choice
    n, m = next((place for place in failed if place > (choice.row, choice.column)), failed[0])
    return replace(choice, row=n, column=m, moved=True)
