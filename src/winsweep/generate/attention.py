"""Attention of sequences of different lengths in one pass, none of which is padded or sees another: prompts in a line,
or slots.

It takes the position of a model's attention function under the name BY_LENGTH. Where transformers would hand a mask
through, it hands `lengths`: a mask of four dimensions goes to the layers as it is.

Shape suffixes: N sequences, T tokens of all of them, S positions of a slot, H heads, D head size.
"""

from functools import lru_cache

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from winsweep.train import attention_choice
from winsweep.train.attention_kernels import Line, Slots

BY_LENGTH = "winsweep_by_length"
GROUP = 16  # slots that are read to the length of their longest; the caller keeps those of similar length together


def as_mask(lengths: list[int], device: torch.device) -> torch.Tensor:
    """Lengths in the shape that goes through a model as it is."""
    return torch.tensor(lengths, dtype=torch.int32, device=device)[:, None, None, None]


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: object,
) -> tuple[torch.Tensor, None]:
    """What each token sees of its own sequence, (batch, tokens, H, D).

    Of prompts in a line, all (1, H, T, D), causally; of a new token in each slot (N, H, 1, D), the first `lengths`
    positions of it (N, H, S, D). ValueError for a layer that wants more than that (a window, a cap of its scores).
    """
    if strange := [
        name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if options.get(name) is not None
    ]:
        raise ValueError(f"a layer wants {strange[0]}, which attention by length does not have")
    if lengths is None:
        return sdpa_attention_forward(module, query, key, value, None, dropout, scaling, **options)
    in_line = query.shape[2] == key.shape[2]
    ways = {(True, False): _line, (True, True): _line_fused, (False, False): _slots, (False, True): _slots_fused}
    return ways[in_line, attention_choice.fits(query)](query, key, value, lengths, scaling), None


def _line(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    parts = zip(*(x.split(lengths.flatten().tolist(), 2) for x in (query, key, value)))
    seen = [
        scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=q.shape[1] != k.shape[1])
        for q, k, v in parts
    ]
    return torch.cat(seen, 2).transpose(1, 2)


def _slots(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """In groups, as memory is what takes the time. Heads that share keys stand as tokens of one head, so that nothing
    is repeated.
    """
    num, heads, _, size = query.shape
    query = query.view(num, key.shape[1], -1, size)
    seen = [
        scaled_dot_product_attention(
            query[part], key[part, :, :end], value[part, :, :end], mask.to(query.dtype), scale=scaling
        )
        for part, end, mask in _groups(lengths)
    ]
    return torch.cat(seen).reshape(num, 1, heads, size)


@lru_cache(maxsize=1)  # all layers of a step are given the same tensor
def _groups(lengths: torch.Tensor) -> list[tuple[slice, int, torch.Tensor]]:
    """Slots that are read together, to which position, and what is added to their scores: -inf behind a slot's end."""
    lengths_N, found = lengths.flatten(), []
    ends = lengths_N.tolist()
    for i in range(0, len(ends), GROUP):
        part, end = slice(i, i + GROUP), max(ends[i : i + GROUP])
        unseen = (torch.arange(end, device=lengths.device) >= lengths_N[part, None])[:, None, None]
        found.append((part, end, torch.zeros(unseen.shape, device=lengths.device).masked_fill_(unseen, float("-inf"))))
    return found


def _line_fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    query_THD, key_THD, value_THD = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    starts = torch.nn.functional.pad(lengths.flatten().cumsum(0, dtype=torch.int32), (1, 0))
    # none is longer; asking which is the longest would make every layer wait for the GPU
    return attention_choice.attend(Line(query_THD, key_THD, value_THD, starts, query.shape[2], scaling))[None]


def _slots_fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    key_NSHD, value_NSHD = (x.transpose(1, 2) for x in (key, value))
    asked = Slots(query[:, :, 0].contiguous(), key_NSHD, value_NSHD, lengths.flatten(), scaling)
    return attention_choice.attend(asked)[:, None]


AttentionInterface.register(BY_LENGTH, attend)
