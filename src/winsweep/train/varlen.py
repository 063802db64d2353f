"""Attention in which packed examples do not see each other, and how a model is asked whether it keeps them apart.

Q query positions of all examples one after the other, H heads, D their size; S examples.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from winsweep.train.attention_choice import attend, fits
from winsweep.train.attention_kernels import Line, causal

NAME = "winsweep_varlen"
LENGTHS = (7, 1, 12, 5)  # of the examples that a model is asked about
UNKNOWN = ("softcap", "s_aux", "position_bias")  # what some models want of their attention and this one has not


def attention(
    module: torch.nn.Module,
    query_1HQD: Tensor,
    key_1HQD: Tensor,
    value_1HQD: Tensor,
    mask: None,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **more: object,
) -> tuple[Tensor, None]:
    """Causal attention within each example; cu_seq_lens_q, int32 (S + 1,), is where they begin and the last one ends.

    By a fused kernel where there is one (half precision on CUDA, no dropout), else scaled_dot_product_attention for
    each example: no mask is made, and the cost is the sum of the squared lengths. NotImplementedError for what only
    other kernels do.
    """
    if wanted := [name for name in UNKNOWN if more.get(name) is not None]:
        raise NotImplementedError(f"attention with {wanted[0]}")
    window = sliding_window if sliding_window is not None and sliding_window < max_length_q else None
    held_1HQD = (query_1HQD, key_1HQD, value_1HQD)
    if fits(query_1HQD) and not dropout:
        query_QHD, key_QHD, value_QHD = (x[0].transpose(0, 1) for x in held_1HQD)
        return attend(Line(query_QHD, key_QHD, value_QHD, cu_seq_lens_q, max_length_q, scaling, window))[None], None
    lengths = [end - begin for begin, end in itertools.pairwise(cu_seq_lens_q.tolist())]
    parts = zip(*(x.split(lengths, 2) for x in held_1HQD))
    outs = [causal(*part, scale=scaling, window=window, dropout=dropout) for part in parts]
    return torch.cat(outs, 2).transpose(1, 2), None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)


def inputs(lengths: list[int], device: torch.device) -> dict:
    """What a model must be told about examples of these lengths, one after the other in its one row."""
    ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32).to(device)
    positions_1Q = torch.cat([torch.arange(length) for length in lengths])[None].to(device)
    longest = max(lengths)
    return {
        "position_ids": positions_1Q,
        "cu_seq_lens_q": ends,
        "cu_seq_lens_k": ends,
        "max_length_q": longest,
        "max_length_k": longest,
    }


@torch.no_grad()
def prepare(model: PreTrainedModel, forward: Callable, device: torch.device) -> str:
    """Make `model` one that takes packed examples and return "", or leave it as it was and say why it cannot keep them
    apart.

    `forward` is the model, or the engine around it; under ZeRO 3 every rank must ask. Other tokens in the first of some
    packed examples must leave the others' logits as they are, and all must be those of each example alone before
    anything was changed here.
    """
    vocab, before, training = (
        model.config.get_text_config().vocab_size,
        model.config._attn_implementation,
        model.training,
    )
    ids_1Q = (torch.arange(sum(LENGTHS)) * 7919 % vocab)[None].to(device)
    other_1Q = ids_1Q.clone()
    other_1Q[:, : LENGTHS[0]] = (ids_1Q[:, : LENGTHS[0]] + 1) % vocab

    def logits(ids_1Q: Tensor, **told: object) -> Tensor:
        return forward(input_ids=ids_1Q, use_cache=False, **told).logits[0].float()

    model.eval()
    try:
        alone = torch.cat([logits(part) for part in ids_1Q.split(LENGTHS, 1)])
        model.set_attn_implementation(NAME)
        if model.config._attn_implementation != NAME:
            why = f"{type(model).__name__} has attention of its own"
        else:
            packed, moved = (logits(ids, **inputs(list(LENGTHS), device)) for ids in (ids_1Q, other_1Q))
            why = _difference(packed, moved, alone, model.dtype)
    except (NotImplementedError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
    model.train(training)
    if why:
        model.set_attn_implementation(before)
    return why


def _difference(packed: Tensor, moved: Tensor, alone: Tensor, dtype: torch.dtype) -> str:
    first, rounding = LENGTHS[0], torch.finfo(dtype).eps
    seen = ((packed - moved)[first:].abs().max() / packed.abs().max()).item()
    apart = ((packed - alone).norm() / alone.norm()).item()
    if not seen <= max(rounding / 8, 1e-6):  # the same sums in the same order, but for experts, which see other shapes
        return f"other tokens in one example move the logits of the others by {seen:.1e} of the largest"
    limit = 4 * rounding if dtype == torch.bfloat16 else 1e-4
    return (
        "" if apart <= limit else f"packed logits differ from those of each example alone by {apart:.1e} of their norm"
    )
