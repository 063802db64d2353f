"""Rows of one's own, for training in any of the shapes below, for testing {"instruction"} (and "input") or messages
that end with one of the user, each with "answer" and "dataset" where there are.

A row is {"instruction", "input", "output"}, {"prompt", "completion"}, {"messages": [{"role", "content"}]} (a message
may have weight: 0 or train: false) or {"conversations": [{"from", "value"}]}, with "system" and "history" where there
are. Files are .jsonl, .json, .csv, .tsv or .parquet. `columns: {instruction: question, output: answer}` reads others;
`ignore: [name]` passes a column over that would be refused.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from winsweep.errors import BadStudy
from winsweep.keys import added
from winsweep.quoting import quoted
from winsweep.strict import number
from winsweep.study.frame import Message
from winsweep.text.asked import asked_of
from winsweep.text.conversations import as_text
from winsweep.text.shapes import NAMES, messages_of, renamed, text

VERSION = 1
DATA = None
NEEDS_PATH = True
SINCE = rb"input|system|history|weight|train|tool_calls|function_call|tools|functions|images?"
SPELLED = rb"(?:<|\\u003[cC])(?:\\?/?s|unk|pad|eos|bos|\|[A-Za-z0-9_]+\||(?:start|end)_of_turn)(?:>|\\u003[eE])"
IN_JSON = re.compile(rb'(?<!\\)"(?:' + SINCE + rb')"\s*:\s*+(?!""|null|\[\]|1[,}\s]|true)|' + SPELLED)
IN_HEADER = re.compile(rb'(?:^|[,\t"])(?:' + SINCE + rb')(?:[",\t\r\n]|$)')
IN_PARQUET, IN_TEXT = re.compile(rb"[^A-Za-z_](?:" + SINCE + rb")[^A-Za-z_]"), re.compile(SPELLED)
PIECE = 1 << 22  # bytes of lines that are looked at together
PATH_HELP = "add path: FILE (.jsonl, .json, .csv, .tsv or .parquet, each also with .gz)"


@dataclass(frozen=True)
class Options:
    first: int | None = number(None, 1)  #: how many rows to take; all of them by default [rows]
    columns: tuple[tuple[str, str], ...] = added(())  #: column of a row, by our name: the file's name
    ignore: tuple[str, ...] = added(())  #: columns of the file that are not read

    def __post_init__(self) -> None:
        unknown = [ours for ours, _ in self.columns if ours not in (*NAMES, "answer", "dataset")]
        if unknown:
            raise BadStudy(
                f"columns: found {quoted(unknown[0])}; our name comes first, as in {{instruction: question}}: "
                f"{', '.join(NAMES)}, and answer and "
                "dataset of instructions, are legal"
            )


def reads_anew(path: Path) -> bool:
    """Whether the file may hold what this reader once passed over, or spell what was a special token, so that its key
    must be another one.
    """
    stat = path.stat()
    return _reads_anew(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _reads_anew(path: Path, size: int, mtime_ns: int) -> bool:
    with open(path, "rb") as file:
        if path.suffix == ".csv" and IN_HEADER.search(file.readline().removesuffix(b"\n")):
            return True
        file.seek(0)
        if path.suffix not in (".csv", ".jsonl"):
            pieces: Iterable[bytes] = [file.read()]
        else:  # what is looked for lies within one line
            pieces = iter(lambda: b"".join(file.readlines(PIECE)), b"")
        if path.suffix == ".parquet":
            return any(IN_PARQUET.search(piece[-65536:]) or IN_TEXT.search(piece) for piece in pieces)
        return any((IN_TEXT if path.suffix == ".csv" else IN_JSON).search(piece) for piece in pieces)


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        yield messages_of(renamed(row, options.columns, options.ignore))


def instructions(rows: Iterable[dict], options: Options) -> Iterator[dict]:
    for given in islice(rows, options.first):
        row = renamed(given, options.columns, options.ignore)
        asked = asked_of(row)
        yield (
            {"instruction": as_text(asked)}
            | ({"messages": asked} if len(asked) > 1 else {})
            | {name: text(row, name) for name in ("dataset", "answer") if row.get(name) is not None}
        )
