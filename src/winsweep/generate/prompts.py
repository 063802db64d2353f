"""What a model is asked, as the tokens of each prompt, and what it cannot be asked."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from winsweep.errors import BadData, BadStudy
from winsweep.generate.decoder import Prompt
from winsweep.study.frame import Asked, Frame, turns
from winsweep.study.rules import Adapter
from winsweep.text.conversations import as_text
from winsweep.text.encode import prompt_ids


def read_prompts(
    instructions: Sequence[Asked], tokenizer: PreTrainedTokenizerBase, frame: Frame, max_new_tokens: int, window: int
) -> list[Prompt]:
    """The prompt of each instruction. BadData names one that leaves no room in the `window` [tokens] for an answer."""
    prompts = []
    for i, asked in enumerate(instructions):
        ids = prompt_ids(asked, tokenizer, frame)
        if len(ids) >= window:
            raise BadData(
                f"instruction {i + 1} ({as_text(turns(asked))[:60]!r}…): its prompt has {len(ids)} tokens and the "
                f"model's context holds {window}, with no room for an answer; remove it from the instruction set or "
                f"use another model"
            )
        prompts.append(Prompt(i, ids, min(max_new_tokens, window - len(ids))))
    return prompts


def refuse_first_tag(instructions: Sequence[Asked], adapter: Adapter | None) -> None:
    """BadStudy for rules that count from the first assistant tag where a prompt has several."""
    if adapter and adapter.tag_match == "first" and any(len(turns(asked)) > 2 for asked in instructions):
        raise BadStudy(
            "adapters: found tag_match: first and instructions of several turns, whose first assistant tag is an "
            "earlier response's; tag_match: last is legal for them; type it beside rules:"
        )
