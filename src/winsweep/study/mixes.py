"""What an entry of tasks: trains on: the rows of one source, or a mix of several in their shares."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from winsweep import plugins, strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study.cell import Mix, Rows, Source
from winsweep.study.parts import Parts
from winsweep.study.sections import RowsEntry, TaskEntry

MIXED = ("rows", "seed")  # keys of a mix beside mix: itself
OF_SOURCE = strict.keys(RowsEntry)
OWN = tuple(key for key in strict.keys(TaskEntry) if key not in ("mix", *MIXED))  # that are not a reader's


def task_source(name: str, node: Node, entries: Sequence[tuple[str, Node]], parts: Parts) -> Rows:
    """The source or the mix of one of the `entries` of tasks:, which a mix may name. BadStudy."""
    given = node.mapping()
    if "mix" in given:
        return _mix(name, given, dict(entries), parts)
    return parts.source(node, name, "examples", OWN)


def _mix(name: str, given: Mapping[str, Node], entries: Mapping[str, Node], parts: Parts) -> Mix:
    if other := next((n for key, n in given.items() if key in OF_SOURCE), None):
        raise other.error("found it beside mix:", "each source says it for itself", "write it in that source's entry")
    strict.refuse_unknown(given, ("mix", *MIXED, *OWN), given["mix"])
    shares = _shares(given["mix"])
    seen = strict.Findings()
    found = [seen.of(_part, part, at, entries, parts) for part, at in given["mix"].mapping().items()]
    seen.stop()
    rows = strict.read(int, given["rows"]) if "rows" in given else None
    if rows is not None and rows < len(shares):
        raise given["rows"].error(f"found {rows}", f"a number from {len(shares)} on is legal, a row of each source")
    seed = strict.option(TaskEntry, "seed", given)
    return Mix(name, tuple(zip(map(strict.present, found), shares)), rows, seed)


def _shares(node: Node) -> list[float]:
    named = strict.not_empty(node, "type {NAME: 0.5, OTHER: 0.5}")
    seen = strict.Findings()
    shares = [seen.of(_share, at) for at in named.mapping().values()]
    seen.stop()
    if abs((total := sum(map(strict.present, shares))) - 1) > 1e-6:
        raise node.error(f"found shares that sum to {total:.6g}", "shares sum to 1", "correct one of them")
    return list(map(strict.present, shares))


def _share(node: Node) -> float:
    share: float = strict.read(float, node)
    if not 0 < share <= 1:
        raise node.error(f"found {share}", "a share above 0 and up to 1 is legal")
    return share


def _part(name: str, at: Node, entries: Mapping[str, Node], parts: Parts) -> Source:
    """One source of a mix: a task of the study, or a reader that has data of its own."""
    legal = [*entries, *plugins.names(plugins.TASKS, Path(at.file).resolve().parent)]
    if name not in legal:
        raise at.error(f"no task {quoted(name)} in this study, and no reader of that name", strict.near(name, legal))
    reader = Node({"from": Node(name, at.file, at.line, at.path)}, at.file, at.line, at.path)
    entry = entries.get(name, reader)
    if "mix" in entry.mapping():
        raise at.error(f"{name} is a mix itself", "a source is legal", "name the sources of that mix")
    return parts.source(entry, name, "examples", OWN)
