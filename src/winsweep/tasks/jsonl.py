"""Rows of one's own: {"instruction", "output"} or {"messages": [...]} for training, {"instruction"} (and "answer", "dataset") for testing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from winsweep.errors import BadData
from winsweep.study.frame import Message

VERSION = 1
DATA = None
NEEDS_PATH = True


@dataclass(frozen=True)
class Options:
    first: int | None = None  # how many rows to take; all of them by default


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for i, row in enumerate(rows):
        if i == options.first:
            return
        yield row["messages"] if "messages" in row else conversation(text(row, "instruction"), text(row, "output"))


def instructions(rows: Iterable[dict], options: Options) -> Iterator[dict]:
    for i, row in enumerate(rows):
        if i == options.first:
            return
        yield {"instruction": text(row, "instruction")} | {k: text(row, k) for k in ("dataset", "answer") if k in row}


def conversation(instruction: str, response: str) -> list[Message]:
    return [{"role": "user", "content": instruction}, {"role": "assistant", "content": response}]


def text(row: dict, name: str) -> str:
    """The text under `name`; BadData where there is none."""
    if not isinstance(row.get(name), str):
        raise BadData(f"no text under {name!r}; the row has {', '.join(map(str, row)) or 'nothing'}")
    return row[name]
