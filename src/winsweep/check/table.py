"""The findings of a study as one table for a person, on a terminal or in a file."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from winsweep.check.early import Row

WIDTH = 100
COLOURS = {"ok": "green", "problem": "red", "unknown": "yellow"}


def table_text(rows: Sequence[Row]) -> str:
    """A line for each finding, long ones wrapped; problems also counted below."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head, least in (("of", 10), ("what", 14), ("", 7), ("found", 40)):
        table.add_column(head, no_wrap=head == "", min_width=least, overflow="fold")
    last = ""
    for row in rows:
        f = row.finding
        table.add_row(*(Text(shown(text)) for text in (row.of if row.of != last else "", f.what)), Text(f.verdict, style=COLOURS[f.verdict]), Text(shown(f.text)))
        last = row.of
    console = Console(width=WIDTH)
    with console.capture() as captured:
        console.print(table)
    num = sum(row.finding.verdict == "problem" for row in rows)
    return "\n".join([*(line.rstrip() for line in captured.get().splitlines()), f"{num or 'no'} problem{'' if num == 1 else 's'} found before anything runs"])


def shown(text: str) -> str:
    """Names of files and pieces are others' text: nothing of it may steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
