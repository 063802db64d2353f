"""How rows become conversations to learn from and instructions to test with, every fault named with its place."""

import json
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from winsweep import keys, layout, plugins
from winsweep.attempt.job import Job
from winsweep.errors import BadData, WinsweepError
from winsweep.plugins import File
from winsweep.quoting import excerpt
from winsweep.study.frame import Message, is_learned, turns
from winsweep.text import draw
from winsweep.text.conversations import as_text, refuse_unanswerable, with_system
from winsweep.text.source import Rows, file_rows, hub_rows


def mix(job: Job) -> Iterator[dict]:
    """Rows of several prepared sources in their shares; how many of each is noted. BadData if one has too few."""
    told = job.params["mix"]
    files = [job.inputs[part["input"]] / "examples.jsonl" for part in told]
    have = list(map(_num_lines, files))
    num_of = draw.sizes([part["share"] for part in told], have, job.params["rows"])
    if not all(num_of):
        raise BadData(f"mix: its sources have {', '.join(map(str, have))} rows, too few for a row of each")
    names = [job.inputs[part["input"]].name.rpartition("-")[0] for part in told]
    job.notes["mix"] = ", ".join(f"{num} rows of {name}" for num, name in zip(num_of, names))
    return draw.mixed(list(map(_prepared, files)), have, num_of, job.params["seed"])


def _prepared(path: Path) -> Iterator[dict]:
    with open(path, encoding="utf-8") as f:
        yield from map(json.loads, f)


def _num_lines(path: Path) -> int:
    with open(path, encoding="utf-8") as f:
        return sum(1 for _ in f)


def rows_of(purpose: str, source: Mapping, file: File) -> Iterator[dict]:
    """What a source (in plain types) gives for a purpose, row by row, so that a large file need not be held; BadData
    also if it holds no row.

    Of examples: {"messages": [...]}, each with a response to learn from. Of instructions: {"instruction", "dataset",
    maybe "answer" and, of more than a lone instruction, "messages"}, none of them twice.
    """
    has_any = False
    for row in draw.sample(_Source(purpose, source, file), source.get("sample")):
        has_any = True
        yield row
    if not has_any:
        raise BadData(
            f"{_named(source, file)}: the source holds no row at all; one or more are legal; put rows there, or name "
            "another file"
        )


@dataclass(frozen=True)
class _Source:
    """The rows of a source before a sample is drawn, read anew each time."""

    purpose: str
    told: Mapping
    file: File

    def __iter__(self) -> Iterator[dict]:
        reader, options, rows = _open(self.told, self.file)
        given = (
            _examples(reader, options, rows, self.told.get("empty_instructions", False), self.told.get("system", ""))
            if self.purpose == "examples"
            else _instructions(reader, options, rows, self.told.get("system", ""))
        )
        return islice(given, self.told.get("first"))


def _named(source: Mapping, file: File) -> str:
    data = source["data"]
    return (
        source["reader"] if data is None else str(file(data)) if "sha256" in data else f"{data['hf_id']} {data['file']}"
    )


def _examples(reader: ModuleType, options: object, rows: Rows, empty: bool, system: str) -> Iterator[dict]:
    for messages in _each(reader, lambda: reader.examples(rows, options), rows, check_messages):
        yield {"messages": with_system(_emptied(messages) if empty else messages, system)}


def _instructions(reader: ModuleType, options: object, rows: Rows, system: str) -> Iterator[dict]:
    seen: dict[str, str] = {}

    def check(row: dict) -> None:
        if "messages" in row:
            check_turns(row["messages"])
            refuse_unanswerable(row["messages"])
        first = seen.setdefault(row["instruction"], rows.where)
        if first != rows.where:
            raise BadData(f"the instruction stands at {first} already; results are joined by it, so it may stand once")

    for row in _each(reader, lambda: map(_as_text, reader.instructions(rows, options)), rows, check):
        asked = with_system(row.get("messages") or turns(row["instruction"]), system)
        yield {"dataset": "", **row} | ({"messages": asked} if len(asked) > 1 else {})


def _as_text(row: dict) -> dict:
    """A row of a reader that gives messages alone, with the text that results are joined by."""
    is_lone = "instruction" not in row and row.get("messages")
    if is_lone:
        check_turns(row["messages"])
    return {"instruction": as_text(row["messages"]), **row} if is_lone else row


def check_turns(messages: object) -> list[Message]:
    """User and assistant messages with text, a system message at most before them; BadData otherwise."""
    if not isinstance(messages, list) or not all(
        isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages
    ):
        raise BadData("messages is not a list of {role, content}")
    wrong = [
        m.get("role")
        for i, m in enumerate(messages)
        if m.get("role") not in ("user", "assistant", *(["system"] if i == 0 else []))
    ]
    if wrong:
        raise BadData(f"a message has the role {wrong[0]!r}; user and assistant are legal, and system for the first")
    return messages


def check_messages(given: object) -> None:
    """A conversation with responses to learn from; BadData otherwise."""
    messages = check_turns(given)
    if not any(is_learned(m) and m["content"].strip() for m in messages):
        raise BadData(
            "the row has no response tokens: no assistant message with text (and weight 1); remove it or give it a "
            "response"
        )
    for number, message in enumerate(messages, start=1):
        if message["role"] == "assistant" and is_learned(message) and not message["content"].strip():
            raise BadData(
                f"message {number} of the row is an assistant's without text, so that to say nothing would be learned; "
                f"text is legal; write it, type weight: 0 in the message, or remove the row"
            )


def _open(source: Mapping, file: File) -> tuple[ModuleType, object, Rows]:
    reader = plugins.of_source(source, file)
    return reader, keys.restore(reader.Options, source["options"]), _rows(source["data"], file)


def _rows(data: Mapping | None, file: File) -> Rows:
    if data is None:
        return Rows(iter(()), "a reader without data")
    return file_rows(file(data)) if "sha256" in data else hub_rows(**data)


def _each(reader: ModuleType, give: Callable[[], Iterable], rows: Rows, check: Callable[[Any], None]) -> Iterator:
    """What a reader gives, checked; BadData names the row, and a person's own reader with the line that failed."""
    own = reader.__file__ if reader.__file__ and Path(reader.__file__).parent != layout.TASKS else ""
    try:
        for value in give():
            check(value)
            yield value
    except BadData as e:
        source = re.split(r"(:| row | line )\d+$", rows.where)[0]  # what reads the next row names its own place
        of_reader = f"{own} gives what cannot be read: " if own else ""
        raise e if str(e).startswith(source) else BadData(f"{rows.where}: {of_reader}{e}") from None
    except Exception as e:
        if not own or isinstance(e, WinsweepError | OSError | MemoryError):
            raise
        at = [frame.lineno for frame in traceback.extract_tb(e.__traceback__) if frame.filename == own]
        raise BadData(
            f"{own}{f':{at[-1]}' if at else ''}: {type(e).__name__}: {excerpt(str(e))}, at {rows.where}; correct "
            "the file"
        ) from e


def _emptied(messages: list[Message]) -> list[Message]:
    """Response tuning: every user turn, and what the system says, holds no text; its tags stay (Hewitt et al. 2024,
    section 4).
    """
    return [m if m["role"] == "assistant" else {**m, "content": ""} for m in messages]
