"""Greedy decoding by transformers' own `generate`, in batches that are always the same: what every causal model can do.

Shape suffixes: B rows, T tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

from winsweep.errors import Stopped
from winsweep.generate.decoder import Prompt
from winsweep.generate.grammar import Mask
from winsweep.text.ends import Ends


@torch.inference_mode()
def answer_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: Sequence[Prompt],
    ends: Ends,
    rules: LogitsProcessor | None,
    stopping: Callable[[], str | None],
    mask: Mask | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Each prompt's row and its answer's tokens (with the token that ended it, where that came before the cap).

    In fp32 no answer depends on the others.
    """
    prompt = tokenizer.pad({"input_ids": [p.ids for p in batch]}, padding_side="left", return_tensors="pt").to(
        model.device
    )
    ids_BT = model.generate(
        input_ids=prompt["input_ids"],
        attention_mask=prompt["attention_mask"],
        do_sample=False,
        num_beams=1,
        max_new_tokens=max(p.cap for p in batch),
        eos_token_id=list(ends.ids),
        pad_token_id=tokenizer.pad_token_id,
        logits_processor=[*([rules] if rules else []), *([Masked(mask, len(batch))] if mask else [])],
        stopping_criteria=[Watch(stopping, ends, prompt["input_ids"].shape[1])],
    )
    for p, ids in zip(batch, ids_BT[:, prompt["input_ids"].shape[1] :].tolist(), strict=True):
        new = ids[: p.cap]
        yield p.row, next((new[:n] for n in range(1, len(new)) if ends.reached(new[:n])), new)


class Masked(LogitsProcessor):
    """A grammar's mask over the rows of one batch."""

    def __init__(self, mask: Mask, num_rows: int) -> None:
        self.mask = mask
        self.states: list[Any] | None = None
        self.num_rows = num_rows

    def __call__(self, ids_BT: torch.Tensor, logits_BV: torch.Tensor) -> torch.Tensor:
        if self.states is None:
            self.states = [self.mask.begin() for _ in range(self.num_rows)]
        else:
            for state, token in zip(self.states, ids_BT[:, -1].tolist(), strict=True):
                self.mask.push(state, token)
        return self.mask.forbid(logits_BV, self.states)


class Watch(StoppingCriteria):
    """Ends rows that spell a text that ends them; raises Stopped once `stopping()` gives a reason: the next attempt
    makes the batch again.
    """

    def __init__(self, stopping: Callable[[], str | None], ends: Ends, num_prompt: int) -> None:
        self.stopping, self.ends, self.num_prompt = stopping, ends, num_prompt

    def __call__(self, ids_BT: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        if reason := self.stopping():
            raise Stopped(reason)
        over = (
            [self.ends.reached(ids) for ids in ids_BT[:, self.num_prompt :].tolist()]
            if self.ends.texts
            else [False] * len(ids_BT)
        )
        return torch.tensor(over, dtype=torch.bool, device=ids_BT.device)
