"""The shapes that rows of instructions to test with come in, each read as a conversation that ends with one."""

from collections.abc import Mapping

from winsweep.errors import BadData
from winsweep.study.frame import Message
from winsweep.text.conversations import as_text, refuse_unanswerable, with_system
from winsweep.text.shapes import (
    after_system,
    earlier,
    has,
    in_turns,
    listed,
    message,
    refuse_unknown,
    text,
    with_input,
)

ANSWERED = ("output", "completion", "answer")  # what a row may have beside what it asks


def asked_of(row: Mapping) -> list[Message]:
    """What a row asks: messages or conversations, or instruction (and input) or prompt, with a system and history where
    there are; what a row of outputs has beside it is passed over. BadData for what cannot be answered.
    """
    if name := in_turns(row):
        return _in_turns(row, name)
    refuse_unknown(row, {"instruction", "input", "prompt", "system", "history", *ANSWERED})
    if has(row, "prompt") and has(row, "instruction") and row["prompt"] != row["instruction"]:
        raise BadData("an instruction stands beside 'prompt'; one of them is legal; type ignore: [prompt]")
    is_prompt = has(row, "prompt") and not has(row, "instruction")
    asked: Message = {"role": "user", "content": text(row, "prompt") if is_prompt else with_input(row)}
    return with_system([*earlier(row), asked], text(row, "system") if has(row, "system") else "")


def _in_turns(row: Mapping, name: str) -> list[Message]:
    said = [message(m) for m in listed(row, name)]
    refuse_unanswerable(said)
    same = (as_text(said), as_text(said[said[0]["role"] == "system" :]), said[-1]["content"])
    if beside := [other for other in ("instruction", "prompt") if has(row, other) and row[other] not in same]:
        raise BadData(
            f"{beside[0]!r} stands beside {name!r} and says something else; one of them is legal; type ignore: "
            f"[{beside[0]}]"
        )
    refuse_unknown(row, {name, "system", "instruction", "prompt", *ANSWERED})
    return after_system(row, said, name)
