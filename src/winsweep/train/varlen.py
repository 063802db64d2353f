"""Attention in which packed examples do not see each other, and how a model is asked whether it keeps them apart.

Q query positions of all examples one after the other, H heads, D their size; S examples.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

NAME = "winsweep_varlen"
LENGTHS = (7, 1, 12, 5)  # of the examples that a model is asked about
UNKNOWN = ("softcap", "s_aux", "position_bias")  # what some models want of their attention and this one has not


def attention(
    module: torch.nn.Module, query_1HQD: Tensor, key_1HQD: Tensor, value_1HQD: Tensor, mask: None, *, cu_seq_lens_q: Tensor,
    max_length_q: int, scaling: float | None = None, dropout: float = 0.0, sliding_window: int | None = None, **more: object,
) -> tuple[Tensor, None]:
    """Causal attention within each example; cu_seq_lens_q, int32 (S + 1,), is where they begin and the last one ends.

    torch's varlen kernel where there is one (half precision on CUDA, no dropout), else scaled_dot_product_attention for each example:
    no mask is made, and the cost is the sum of the squared lengths. NotImplementedError for what only other kernels do.
    """
    if wanted := [name for name in UNKNOWN if more.get(name) is not None]:
        raise NotImplementedError(f"attention with {wanted[0]}")
    window = sliding_window if sliding_window is not None and sliding_window < max_length_q else None
    if query_1HQD.is_cuda and query_1HQD.dtype in (torch.bfloat16, torch.float16) and not dropout:
        query_QHD, key_QHD, value_QHD = (x[0].transpose(0, 1) for x in (query_1HQD, key_1HQD, value_1HQD))
        out_QHD = varlen_attn(query_QHD, key_QHD, value_QHD, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, scale=scaling,
                              window_size=(-1 if window is None else window - 1, 0), enable_gqa=query_QHD.shape[1] != key_QHD.shape[1])
        return out_QHD[None], None
    ends = cu_seq_lens_q.tolist()
    heads = [x.split([end - begin for begin, end in zip(ends, ends[1:])], 2) for x in (query_1HQD, key_1HQD, value_1HQD)]
    outs = [_one(*each, scaling, dropout, window) for each in zip(*heads)]
    return torch.cat(outs, 2).transpose(1, 2), None


def _one(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float, window: int | None) -> Tensor:
    how = dict(scale=scaling, dropout_p=dropout, enable_gqa=query.shape[1] != key.shape[1])
    length = query.shape[2]
    if window is None or window >= length:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, **how)
    near = torch.ones(length, length, dtype=torch.bool, device=query.device).tril().triu(1 - window)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=near, **how)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)


def inputs(lengths: list[int], device: torch.device) -> dict:
    """What a model must be told about examples of these lengths, one after the other in its one row."""
    ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32).to(device)
    positions_1Q = torch.cat([torch.arange(length) for length in lengths])[None].to(device)
    longest = max(lengths)
    return {"position_ids": positions_1Q, "cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}


@torch.no_grad()
def leak(forward: Callable, model: PreTrainedModel, device: torch.device) -> str:
    """Why examples of this model must not be packed; "" if it keeps them apart. `forward` is the model, or the engine around it.

    Other tokens in the first example must leave the others' logits as they are, and these must be those of each example alone. Under
    ZeRO 3 every rank must ask. The generators of random numbers are not touched.
    """
    vocab = model.config.get_text_config().vocab_size
    ids_1Q = (torch.arange(sum(LENGTHS)) * 7919 % vocab)[None].to(device)
    other_1Q = ids_1Q.clone()
    other_1Q[:, : LENGTHS[0]] = (ids_1Q[:, : LENGTHS[0]] + 1) % vocab

    def logits(ids_1Q: Tensor, lengths: list[int]) -> Tensor:
        return forward(input_ids=ids_1Q, use_cache=False, **inputs(lengths, device)).logits[0].float()

    training = model.training
    model.eval()
    try:
        packed, moved = logits(ids_1Q, list(LENGTHS)), logits(other_1Q, list(LENGTHS))
        alone = torch.cat([logits(part, [part.shape[1]]) for part in ids_1Q.split(LENGTHS, 1)])
    except (NotImplementedError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        model.train(training)
    return _difference(packed, moved, alone, model.dtype)


def _difference(packed: Tensor, moved: Tensor, alone: Tensor, dtype: torch.dtype) -> str:
    scale, rounding = packed.abs().max().item(), torch.finfo(dtype).eps
    first = LENGTHS[0]
    seen = (packed[first:] - moved[first:]).abs().max().item() / scale
    apart = (packed - alone).abs().max().item() / scale
    if not seen <= 4 * rounding:
        return f"other tokens in one example move the logits of the others by {seen:.1e} of the largest"
    return "" if apart <= 64 * rounding else f"packed logits differ from those of each example alone by {apart:.1e} of the largest"
