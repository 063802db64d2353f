"""The text around an instruction and its response: speaker tags and where the loss does not count."""

from dataclasses import dataclass
from typing import TypedDict


class Message(TypedDict):
    role: str  # "user" or "assistant"
    content: str


@dataclass(frozen=True)
class Frame:
    """A pair of speaker tags; part of the key of everything trained or generated with it."""

    user: str = "<|user|>"
    assistant: str = "<|assistant|>"

    def prompt(self, instruction: str) -> str:
        """The text that generation starts from; unlike training, the instruction is not stripped."""
        return f"{self.user}\n{instruction}\n{self.assistant}\n"

    def training_text(self, messages: list[Message], eos: str) -> str:
        """The whole conversation, contents stripped, every response closed by `eos`, nothing after the last one."""
        return "".join(self._turn(m, eos) for m in messages).strip()

    def masked_spans(self, messages: list[Message], eos: str) -> list[tuple[str, str]]:
        """For each response, the text before its user turn and the text up to where its loss begins."""
        spans = []
        for i, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            first = i - 1 if i and messages[i - 1]["role"] == "user" else i
            before = "".join(self._turn(m, eos) for m in messages[:first])
            upto = "".join(self._turn(m, eos) for m in messages[:i]) + f"{self.assistant}\n"
            spans.append((before, upto))
        return spans

    def _turn(self, message: Message, eos: str) -> str:
        text = message["content"].strip()
        if message["role"] == "user":
            return f"{self.user}\n{text}\n"
        return f"{self.assistant}\n{text}{eos}\n"
