"""Whether others' tools, with a chat template alone, write the prompts that a model was trained with."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from winsweep.study.frame import Asked, Frame, Message, turns

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST = 50  # instructions that are tried
PLAIN = ("Say hello.", "  two\n\nlines ", "1. a list\n2. of two")
TALK: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " What is 2 + 2? "},
    {"role": "assistant", "content": "4\n"},
    {"role": "user", "content": "And 3 + 3?"},
    {"role": "assistant", "content": "6"},
]


def tokenizer_of(folder: Path) -> "PreTrainedTokenizerBase":
    from winsweep.text.model import load_tokenizer

    return load_tokenizer(str(folder), None)


def puts_bos(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether it puts its BOS before every text."""
    from winsweep.text.special_tokens import controls_of

    return bool(controls_of(tokenizer).before)


def unlike(folder: Path, frame: Frame, instructions: Sequence[Asked]) -> str:
    """Where the ids that the chat template in `folder` gives are not those of training and of the study's prompts, in
    words; no text where they are the same.

    An instruction that spells a special token is passed over: a chat template reads it as the token.
    """
    from winsweep.text.encode import encode, prompt_ids
    from winsweep.text.special_tokens import controls_of

    tokenizer = tokenizer_of(folder)
    if not tokenizer.chat_template:
        return f"{type(tokenizer).__name__} reads no chat template from a file of its own"
    controls = controls_of(tokenizer)
    own = [a for a in instructions[:MOST] if not controls.in_any(m["content"] for m in turns(a))]
    for asked in [*PLAIN, TALK[:4], *own]:
        if _ids(tokenizer, turns(asked), True) != prompt_ids(asked, tokenizer, frame):
            return f"the tokens of a prompt would be others, as of {turns(asked)[-1]['content'][:40]!r}"
    if _ids(tokenizer, TALK, False) != encode(TALK, tokenizer, frame).ids:
        return "the tokens of a conversation would be others"
    return ""


def _ids(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], asks: bool) -> list[int]:
    given = tokenizer.apply_chat_template(messages, add_generation_prompt=asks, tokenize=True, return_dict=True)
    return list(given["input_ids"])
