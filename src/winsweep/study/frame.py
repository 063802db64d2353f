"""The text around an instruction and its response: speaker tags, and where the loss does not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NotRequired, TypedDict

from winsweep.errors import BadStudy
from winsweep.keys import added, worked_out_once


class Message(TypedDict):
    """One turn of a conversation."""

    role: str  # "user" or "assistant", or "system" where it is the first
    content: str
    weight: NotRequired[int]  # 0: a response that is read and not learned


Asked = str | Sequence[Message]  # an instruction, or a conversation that ends with one


def turns(asked: Asked) -> list[Message]:
    """What is asked as a conversation."""
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)


def is_learned(message: Message) -> bool:
    """Whether the loss counts it."""
    return message["role"] == "assistant" and message.get("weight", 1) != 0


@worked_out_once
@dataclass(frozen=True)
class Frame:
    """A pair of speaker tags, or the chat template of the model's own tokenizer; part of the key of everything made
    with it.
    """

    user: str = "<|user|>"  #: tag before an instruction
    assistant: str = "<|assistant|>"  #: tag before a response
    #: `tags`: the tags of this section; `chat`: the chat template of the model's own tokenizer, and no tags
    template: Literal["tags", "chat"] = added("tags")
    system: str = added("<|system|>")  #: tag before a system message
    adds_special_tokens: ClassVar[bool] = True  # the tokenizer puts its BOS, if it has one, before the text

    def __post_init__(self) -> None:
        if self.template == "chat" and (self.user, self.assistant, self.system) != (
            Frame.user,
            Frame.assistant,
            Frame.system,
        ):
            raise BadStudy(
                "frame: found tags and template: chat, which writes its own; one of both is legal; remove user:, "
                "assistant: and system:"
            )

    def prompt(self, asked: Asked, eos: str = "") -> str:
        """The text that generation starts from: earlier turns as in training, with `eos` behind each response; unlike
        training, the instruction at the end is not stripped.
        """
        *before, last = turns(asked)
        if not eos and any(m["role"] == "assistant" for m in before):
            raise ValueError("a conversation with responses needs the EOS that closes them: prompt(messages, eos)")
        earlier = "".join(self._turn(m, eos) for m in before)
        return f"{earlier}{self.user}\n{last['content']}\n{self.assistant}\n"

    def training_text(self, messages: list[Message], eos: str) -> str:
        """The whole conversation, contents stripped, every response closed by `eos`, nothing after the last one."""
        return "".join(self._turn(m, eos) for m in messages).strip()

    def masked_spans(self, messages: list[Message], eos: str) -> list[tuple[str, str]]:
        """What the loss leaves out: pairs of the text before such a part and the text up to its end, as where a
        response begins.
        """
        spans, text, start = [], "", ""
        for message in messages:
            if is_learned(message):
                spans.append((start, f"{text}{self.assistant}\n"))
            text += self._turn(message, eos)
            start = text if is_learned(message) else start
        return spans if start == text else [*spans, (start, text)]

    def _turn(self, message: Message, eos: str) -> str:
        text = message["content"].strip()
        if message["role"] == "assistant":
            return f"{self.assistant}\n{text}{eos}\n"
        return f"{self.user if message['role'] == 'user' else self.system}\n{text}\n"
