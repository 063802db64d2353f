"""Conversations that end with an instruction: as a person and a judge read them, and which of them can be answered."""

from collections.abc import Sequence

from winsweep.errors import BadData
from winsweep.study.frame import Message

SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}


def as_text(messages: Sequence[Message]) -> str:
    """A lone instruction as it stands; of several turns each below the other behind its speaker, a blank line between
    them: `User: Hi!`, `Assistant: Hello.`, `User: …`.
    """
    if [m["role"] for m in messages] == ["user"]:
        return messages[0]["content"]
    return "\n\n".join(f"{SPEAKERS[m['role']]}: {m['content']}" for m in messages)


def refuse_unanswerable(messages: Sequence[Message]) -> None:
    """BadData unless it is user and assistant in turn, user first and last, with a system message at most before them;
    the message that is not is named by its number.
    """
    turns = messages[1:] if messages and messages[0]["role"] == "system" else messages
    skipped = len(messages) - len(turns)
    for i, message in enumerate(turns):
        wanted = ("user", "assistant")[i % 2]
        if message["role"] != wanted:
            raise BadData(
                f"message {i + 1 + skipped} of messages is of {message['role']}; user and assistant in turn are legal, "
                f"user first, and a system message at most before them; remove the message, or the row"
            )
    if len(turns) % 2 == 0:
        raise BadData(
            f"messages {'end with a response of the assistant' if turns else 'have no instruction'}, so nothing is "
            "asked; what a model is to answer ends with a message of the user; remove the last message (a response "
            "that is known to be good may stand as answer: beside messages), or the row"
        )


def with_system(messages: list[Message], system: str) -> list[Message]:
    """The conversation behind a system message, unless it has one of its own or there is none."""
    has_own = bool(messages) and messages[0]["role"] == "system"
    return messages if has_own or not system else [{"role": "system", "content": system}, *messages]
