"""How text is fitted to a screen: its width, columns, a few names of many, and nothing in it that steers a terminal.
Pure but for the question how wide the terminal is.
"""

import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NO_TERMINAL = 120  # columns where output goes into a pipe or a file; the variable COLUMNS says otherwise
LEAST = 40
GAP = "  "
COMMAND, GLUE = re.compile(r"(?<=type: )(python|winsweep) [^;]+"), "\0"  # one of ours stays on one line
NOTE = " " * 9  # before the text of a line that begins with what it is


@dataclass(frozen=True)
class Detail:
    """How much a command prints: arms by default; every cell; everything that is known."""

    cells: bool = False
    verbose: bool = False


def width() -> int:
    """Columns of the terminal."""
    return max(LEAST, shutil.get_terminal_size((NO_TERMINAL, 24)).columns)


def speak_any() -> None:
    """From now on a character that the terminal's or the log's encoding lacks is printed by its number, as `\\u2264`,
    and ends no command.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def nobody_reads() -> int:
    """The exit code of a command whose output goes to `| head`; what Python flushes at its end then goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def printable(text: str) -> str:
    """Names of files, tokens and reasons are others' text: nothing of it may steer a terminal. On one line: "; " stands
    between what were lines.
    """
    if text.isprintable():
        return text
    line = "; ".join(filter(None, map(str.rstrip, text.split("\n"))))
    return "".join(c if c.isprintable() else "?" for c in line)


def few(names: Sequence[str], num: int = 3) -> str:
    """The first `num` names, and how many more there are; one more is named rather than counted."""
    shown = names if len(names) <= num + 1 else names[:num]
    left = len(names) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def cut(text: str, columns: int) -> str:
    """The text, its end replaced by … where it is longer than that many columns."""
    return text if len(text) <= columns else text[: max(0, columns - 1)] + "…"


def wrapped(text: str, columns: int, indent: str = GAP) -> list[str]:
    """The text in lines of so many columns, later ones indented; no word is broken, and none of our commands behind
    `type:`, so that both can be copied.
    """
    whole = COMMAND.sub(lambda found: found[0].replace(" ", GLUE), text)
    lines = textwrap.wrap(
        whole, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return [line.replace(GLUE, " ") for line in lines]


def noted(lines: Iterable[str]) -> list[str]:
    """Lines such as `note     TEXT`, each wrapped to the terminal below its text."""
    return [part for line in lines for part in wrapped(line, width(), NOTE)]


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], num_left: int = 1) -> list[str]:
    """Lines of columns under their heads; the first `num_left` columns stand left, the others right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        GAP.join(t.ljust(w) if n < num_left else t.rjust(w) for n, (t, w) in enumerate(zip(row, widths))).rstrip()
        for row in (heads, *rows)
    ]


def grid_width(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Columns that such lines take."""
    return sum(max(map(len, column)) + len(GAP) for column in zip(heads, *rows, strict=True)) - len(GAP)
