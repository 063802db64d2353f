"""Greedy decoding by transformers' own `generate`, in batches that are always the same: what every causal model can do.

Shape suffixes: B rows, T tokens.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from transformers import LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

from winsweep.errors import Stopped
from winsweep.generate.decoder import Prompt


@torch.inference_mode()
def answer_batch(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: Sequence[Prompt], rules: LogitsProcessor | None,
                 stopping: Callable[[], str | None]) -> Iterator[tuple[int, list[int]]]:
    """Each prompt's row and its answer's tokens (with EOS, where that came before the cap); in fp32 no answer depends on the others."""
    prompt = tokenizer.pad({"input_ids": [p.ids for p in batch]}, padding_side="left", return_tensors="pt").to(model.device)
    ids_BT = model.generate(input_ids=prompt["input_ids"], attention_mask=prompt["attention_mask"], do_sample=False, num_beams=1,
                            max_new_tokens=max(p.cap for p in batch), eos_token_id=tokenizer.eos_token_id,
                            pad_token_id=tokenizer.pad_token_id, logits_processor=[rules] if rules else [],
                            stopping_criteria=[Watch(stopping)])
    for p, ids in zip(batch, ids_BT[:, prompt["input_ids"].shape[1] :].tolist(), strict=True):
        new = ids[: p.cap]
        yield p.row, new[: new.index(tokenizer.eos_token_id) + 1] if tokenizer.eos_token_id in new else new


class Watch(StoppingCriteria):
    """Ends generation by raising Stopped once `stopping()` gives a reason; the batch under way is made again by the next attempt."""

    def __init__(self, stopping: Callable[[], str | None]) -> None:
        self.stopping = stopping

    def __call__(self, ids_BT: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        if reason := self.stopping():
            raise Stopped(reason)
        return torch.zeros(len(ids_BT), dtype=torch.bool, device=ids_BT.device)
