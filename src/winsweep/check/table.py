"""The findings of a study as a table for a person, on a terminal or in a file."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from winsweep import screen
from winsweep.amounts import plural
from winsweep.check.early import Row

COLOURS = {"problem": "red", "unknown": "yellow", "ok": "green"}


def table_text(rows: Sequence[Row], num_above: int = 0, is_verbose: bool = False) -> str:
    """Problems and unknowns whole, equal ones of several models as one, and a line of what is ok; or a row for every
    finding.

    The last line says how many problems there are, with the `num_above` that are said before the table.
    """
    told = [(row.finding.verdict, f"{row.of}: {row.finding.what}", row.finding.text) for row in rows]
    lines = _table(told if is_verbose else _in_short(rows)) if rows else []
    num = num_above + sum(row.finding.verdict == "problem" for row in rows)
    count = "it is said" if num == 1 else f"{num_above} of them" if num_above < num else "all"
    where = f"; {count} above{' this table' if rows else ''}" if num_above else ""
    return "\n".join([*lines, f"{plural(num, 'problem') if num else 'no problems'} found before anything runs{where}"])


def _in_short(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Verdict, what it is of, and what was found: the worst first."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.finding.verdict, row.finding.what, row.finding.text), []).append(row.of)
    told = [
        (verdict, f"{_names(of)}: {what}", text)
        for worst in COLOURS
        for (verdict, what, text), of in groups.items()
        if verdict == worst != "ok"
    ]
    fine = Counter(row.of for row in rows if row.finding.verdict == "ok")
    whole = [f"{of} ({num})" for of, num in fine.items()]
    return [*told, ("ok", f"{fine.total()} check{'s'[: fine.total() != 1]}", screen.few(whole, 6))] if fine else told


def _names(of: Iterable[str]) -> str:
    """The names of several models, the word before them said once."""
    kinds: dict[str, list[str]] = {}
    for kind, _, name in (name.partition(" ") for name in dict.fromkeys(of)):
        kinds.setdefault(kind, []).append(name)
    return ", ".join(f"{kind} {screen.few(names)}".strip() for kind, names in kinds.items())


def _table(told: Sequence[tuple[str, str, str]]) -> list[str]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    widest = max(len(of) for _, of, _ in told)
    for head, least in (("", 7), ("check", min(widest, screen.width() // 3)), ("found", 20)):
        table.add_column(head, no_wrap=head == "", min_width=least, overflow="fold")
    for verdict, of, text in told:
        table.add_row(Text(verdict, style=COLOURS[verdict]), Text(screen.printable(of)), Text(screen.printable(text)))
    console = Console(width=screen.width())
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
