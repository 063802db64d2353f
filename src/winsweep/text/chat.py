"""What the chat template of a model's own tokenizer makes of a conversation; it takes the place of a Frame of tags."""

import re
from collections.abc import Mapping, Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from winsweep.errors import BadStudy
from winsweep.study.frame import Asked, Frame, Message, is_learned, turns
from winsweep.text.special_tokens import Controls, controls_of

SYSTEM = "take system: out of the study and system messages out of its rows, or "
RANDOM = re.compile(r"\|\s*random\b")  # jinja's only source of it
FIRST, LAST = "the first text", "the last text"  # of a conversation that shows what a template writes around turns


class ChatTemplate:
    """The methods of a Frame by the template of `tokenizer`, rendered turn by turn.

    BadStudy where there is none, where its text changes with the day, or where it does not lend itself to training.
    """

    adds_special_tokens = False  # the template writes them

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        if not tokenizer.chat_template:
            raise self._wrong("has no chat template")
        if "strftime_now" in str(tokenizer.chat_template):
            raise self._wrong("has a chat template that writes today's date, so texts would differ from day to day")
        if RANDOM.search(str(tokenizer.chat_template)):
            raise self._wrong("has a chat template that draws at random, so texts would differ from time to time")

    def prompt(self, asked: Asked, eos: str = "") -> str:
        """The text that generation starts from; unlike training, the instruction at the end is not stripped."""
        *before, last = turns(asked)
        messages = [*_stripped(before), last]
        self._heard(messages)
        return self._render(messages, asks=True)

    def training_text(self, messages: list[Message], eos: str) -> str:
        """The whole conversation, contents stripped."""
        return self._render(_stripped(messages))

    def masked_spans(self, messages: list[Message], eos: str) -> list[tuple[str, str]]:
        """As Frame.masked_spans; what the template writes after a response, up to the next turn, is learned with it."""
        messages = _stripped(messages)
        self._heard(messages)
        whole, spans, start = self._render(messages), [], ""
        ends = [eos, *(self.tokenizer.added_tokens_decoder[id].content for id in end_of_turn_ids(self.tokenizer))]
        for i, message in enumerate(messages):
            if not is_learned(message):
                continue
            opened, closed = self._render(messages[:i], asks=True), self._render(messages[: i + 1])
            if not (whole.startswith(closed) and closed.startswith(opened)):
                raise self._wrong("has a chat template that writes a turn otherwise once more follows")
            if not any(end in closed[len(opened) :] for end in ends):
                raise self._wrong(
                    f"has a chat template that does not close a response with its EOS {eos!r}, nor with another "
                    f"special token, "
                    "so answers would not end"
                )
            spans.append((start, opened))
            start = closed
        return spans if start == whole else [*spans, (start, whole)]

    @property
    def controls(self) -> Controls:
        """The tokenizer's special tokens, and the tokens that the template writes around a turn, whatever the tokenizer
        calls them.
        """
        skeleton = self._render([{"role": "user", "content": FIRST}, {"role": "assistant", "content": LAST}])
        around = skeleton.partition(FIRST)[0], skeleton.rpartition(LAST)[2]
        added = [t.content for t in self.tokenizer.added_tokens_decoder.values()]
        return controls_of(
            self.tokenizer, tuple(sorted(a for a in added if a.strip() and any(a in part for part in around)))
        )

    def _render(self, messages: list[Message], asks: bool = False) -> str:
        try:
            return render(self.tokenizer, [{"role": m["role"], "content": m["content"]} for m in messages], asks)
        except TemplateError as e:
            roles = [m["role"] for m in messages]
            do = SYSTEM if roles[:1] == ["system"] else ""
            said = f"has a chat template that refuses this conversation ({e}) of {', '.join(roles)}"
            raise self._wrong(said, do) from e

    def _heard(self, messages: list[Message]) -> None:
        """BadStudy for a template that leaves a system message out."""
        if messages[:1] and messages[0]["role"] == "system" and messages[0]["content"] not in self._render(messages):
            raise self._wrong("has a chat template that leaves system messages out", SYSTEM)

    def _wrong(self, what: str, do: str = "") -> BadStudy:
        return BadStudy(
            f"frame.template: found chat, but the tokenizer of {self.tokenizer.name_or_path} {what}; "
            f"tags are legal for every model; {do}remove template: chat"
        )


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, object]], asks: bool = False) -> str:
    """The conversation as the tokenizer's template writes it; with `asks`, up to where the assistant's turn begins."""
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)


def end_of_turn_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The special token that the tokenizer's chat template writes right behind an answer, such as an end of turn; none
    without a template.
    """
    if not tokenizer.chat_template:
        return []
    try:
        whole = render(tokenizer, [{"role": "user", "content": FIRST}, {"role": "assistant", "content": LAST}])
    except TemplateError:
        return []
    behind = whole.rpartition(LAST)[2].lstrip()
    controls = sorted(
        ((t.content, id) for id, t in tokenizer.added_tokens_decoder.items() if t.content),
        key=lambda pair: -len(pair[0]),
    )
    return next(([id] for text, id in controls if behind.startswith(text)), [])


def form_of(frame: Frame, tokenizer: PreTrainedTokenizerBase) -> Frame | ChatTemplate:
    return ChatTemplate(tokenizer) if frame.template == "chat" else frame


def _stripped(messages: list[Message]) -> list[Message]:
    """Contents without the space around them; what else a message says is ours and not the template's."""
    return [{**m, "content": m["content"].strip()} for m in messages]
