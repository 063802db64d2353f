"""The findings of a study as one table for a person, on a terminal or in a file."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from winsweep.check.early import Row

WIDTH = 100
COLOURS = {"ok": "green", "problem": "red", "unknown": "yellow"}


def table_text(rows: Sequence[Row], num_above: int = 0) -> str:
    """A line for each finding, long ones wrapped; below, how many problems there are, with the `num_above` that are
    said before the table.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head, least in (("of", 10), ("what", 14), ("", 7), ("found", 40)):
        table.add_column(head, no_wrap=head == "", min_width=least, overflow="fold")
    last = ""
    for row in rows:
        f = row.finding
        table.add_row(
            *(Text(shown(text)) for text in (row.of if row.of != last else "", f.what)),
            Text(f.verdict, style=COLOURS[f.verdict]),
            Text(shown(f.text)),
        )
        last = row.of
    console = Console(width=WIDTH)
    with console.capture() as captured:
        console.print(table)
    num = num_above + sum(row.finding.verdict == "problem" for row in rows)
    lines = [line.rstrip() for line in captured.get().splitlines()] if rows else []
    where = f"; {num_above} of them above{' this table' if rows else ''}" if num_above else ""
    return "\n".join([*lines, f"{num or 'no'} problem{'' if num == 1 else 's'} found before anything runs{where}"])


def shown(text: str) -> str:
    """Names of files and tokens are others' text: nothing of it may steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
