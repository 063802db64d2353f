"""How rows become conversations to learn from and instructions to test with, every fault named with its place."""

from collections.abc import Iterator
from types import ModuleType

from winsweep import keys, layout
from winsweep.attempt.job import Job
from winsweep.errors import BadData
from winsweep.graph import load
from winsweep.study.frame import Message, is_learned
from winsweep.text.source import Rows, file_rows, hub_rows


def examples(job: Job) -> list[dict]:
    """Rows {"messages": [...]}; BadData names the place of a row that has no response to learn from."""
    reader, options, rows = _open(job.params["source"], job)
    empty = job.params["source"].get("empty_instructions", False)
    return [{"messages": _emptied(m) if empty else m} for m in _each(reader.examples(rows, options), rows, check_messages)]


def instructions(job: Job) -> list[dict]:
    """Rows {"instruction", "dataset", maybe "answer"}; BadData names an instruction that stands twice."""
    reader, options, rows = _open(job.params["source"], job)
    seen: dict[str, str] = {}

    def check(row: dict) -> None:
        first = seen.setdefault(row["instruction"], rows.where)
        if first != rows.where:
            raise BadData(f"the instruction stands at {first} already; results are joined by it, so it may stand once")

    return [{"dataset": "", **row} for row in _each(reader.instructions(rows, options), rows, check)]


def check_messages(messages: object) -> None:
    """A conversation: user and assistant messages with text, a system message at most before them, and a response to learn from."""
    if not isinstance(messages, list) or not all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages):
        raise BadData("messages is not a list of {role, content}")
    wrong = [m.get("role") for i, m in enumerate(messages) if m.get("role") not in ("user", "assistant", *(["system"] if i == 0 else []))]
    if wrong:
        raise BadData(f"a message has the role {wrong[0]!r}; user and assistant are legal, and system for the first")
    if not any(is_learned(m) and m["content"].strip() for m in messages):
        raise BadData("the row has no response tokens: no assistant message with text (and weight 1); remove it or give it a response")


def _open(source: dict, job: Job) -> tuple[ModuleType, object, Rows]:
    reader = load(layout.TASKS / f"{source['reader']}.py", "winsweep.tasks")
    data = source["data"]
    if data is None:
        rows = Rows(iter(()))
    else:
        rows = file_rows(job.file(data)) if "sha256" in data else hub_rows(**data)
    return reader, keys.restore(reader.Options, source["options"]), rows


def _each(found: Iterator, rows: Rows, check) -> Iterator:
    try:
        for value in found:
            check(value)
            yield value
    except BadData as e:
        raise e if rows.where in str(e) else BadData(f"{rows.where}: {e}") from None


def _emptied(messages: list[Message]) -> list[Message]:
    """Response tuning: every user turn, and what the system says, holds no text; its tags stay (Hewitt et al. 2024, section 4)."""
    return [m if m["role"] == "assistant" else {**m, "content": ""} for m in messages]
