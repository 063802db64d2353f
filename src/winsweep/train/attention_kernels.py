"""Attention of sequences of different lengths: the ways that there are, by a GPU's fused kernels or without.

The one place that knows torch's varlen_attn and flash-attn. No version is asked for its number: a way that lacks
something raises, and attention_choice takes another.

Shape suffixes: N sequences, T tokens of all of them, S positions of a slot, H heads, K key-value heads, D head size,
G heads that share a key-value head.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

PAGE = 256  # positions; slots hold a multiple of it
EACH = "scaled_dot_product_attention of each sequence"


class Lacking(Exception):
    """This installation has nothing of that name."""


@dataclass(frozen=True)
class Line:
    """Sequences one after the other, each attended to causally: query (T, H, D), key and value (T, K, D); `starts`,
    int32 (N + 1,), is where they begin and the last one ends. A token sees the last `window` tokens, if that is given.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    starts: Tensor
    longest: int
    scale: float | None = None
    window: int | None = None

    @property
    def sides(self) -> tuple[int, int]:
        return (-1 if self.window is None else self.window - 1, 0)


@dataclass(frozen=True)
class Slots:
    """A new token of each sequence, query (N, H, D), which sees the first `lengths`, int32 (N,), positions of its slot:
    key and value (N, S, K, D), whose S is a multiple of PAGE.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    lengths: Tensor
    scale: float | None = None


Asked = Line | Slots


def line_by_torch(a: Line) -> Tensor:
    more = {"enable_gqa": True} if _shares(a) and _torch_takes("enable_gqa") else {}
    return _torch_line(a, a.key, a.value, more)


def line_by_flash_attn(a: Line) -> Tensor:
    kernel, ends = _flash_attn("flash_attn_varlen_func"), (a.starts, a.starts, a.longest, a.longest)
    return kernel(a.query, a.key, a.value, *ends, softmax_scale=a.scale, causal=True, window_size=a.sides)


def line_by_torch_repeating(a: Line) -> Tensor:
    times = a.query.shape[1] // a.key.shape[1]
    key, value = (x.repeat_interleave(times, 1) for x in (a.key, a.value))
    return _torch_line(a, key, value, {})


def each_of_line(a: Line) -> Tensor:
    lengths = a.starts.diff().tolist()
    parts = zip(*(x.transpose(0, 1)[None].split(lengths, 2) for x in (a.query, a.key, a.value)))
    outs = [causal(*part, scale=a.scale, window=a.window) for part in parts]
    return torch.cat(outs, 2)[0].transpose(0, 1)


def slots_by_torch(a: Slots) -> Tensor:
    """One split: then a row is summed in the same order whatever its company."""
    if not _torch_takes("enable_gqa", "seqused_k", "block_table", "num_splits"):
        raise Lacking("takes no block_table")
    num, positions, kv_heads, size = a.key.shape
    pages = [x.reshape(num * positions // PAGE, PAGE, kv_heads, size) for x in (a.key, a.value)]
    table = torch.arange(len(pages[0]), dtype=torch.int32, device=a.key.device).view(num, -1)
    held = dict(seqused_k=a.lengths, block_table=table, num_splits=1, enable_gqa=_shares(a))
    return _varlen_attn()(a.query, *pages, _one_each(a), None, 1, positions, scale=a.scale, **held)


def slots_by_flash_attn(a: Slots) -> Tensor:
    kernel, how = _flash_attn("flash_attn_with_kvcache"), dict(cache_seqlens=a.lengths, num_splits=1)
    return kernel(a.query[:, None], a.key, a.value, softmax_scale=a.scale, **how)[:, 0]


def slots_by_operator(a: Slots) -> Tensor:
    """What torch's varlen_attn calls, which knew lengths before that did."""
    if "seqused_k" not in {arg.name for arg in _operator().default._schema.arguments}:
        raise Lacking("takes no seqused_k")
    positions, starts = a.key.shape[1], _one_each(a)
    ends = (starts, starts * positions, 1, positions)
    held = (x.flatten(0, 1) for x in (a.key, a.value))
    return _operator()(a.query, *held, *ends, 0.0, False, False, scale=a.scale, seqused_k=a.lengths)[0]


def slots_under_mask(a: Slots) -> Tensor:
    """All positions are read. Heads that share keys stand as tokens of one head, so that nothing is repeated."""
    num, heads, size = a.query.shape
    mask = torch.arange(a.key.shape[1], device=a.key.device) < a.lengths[:, None]
    query_NKGD = a.query.view(num, a.key.shape[2], -1, size)
    key, value = (x.transpose(1, 2) for x in (a.key, a.value))
    out = scaled_dot_product_attention(query_NKGD, key, value, mask[:, None, None], scale=a.scale)
    return out.reshape(num, heads, size)


# by name, the quickest first; the last can always be had
LINE: Mapping[str, Callable[[Line], Tensor]] = {
    "torch varlen_attn": line_by_torch,
    "flash-attn": line_by_flash_attn,
    "torch varlen_attn with repeated key-value heads": line_by_torch_repeating,
    EACH: each_of_line,
}
SLOTS: Mapping[str, Callable[[Slots], Tensor]] = {
    "torch varlen_attn in pages": slots_by_torch,
    "flash-attn with a cache": slots_by_flash_attn,
    "torch _flash_attention_forward": slots_by_operator,
    "scaled_dot_product_attention under a mask": slots_under_mask,
}


def causal(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float | None, window: int | None = None, dropout: float = 0.0
) -> Tensor:
    """One sequence, (1, H, T, D), by what runs everywhere."""
    how = dict(scale=scale, dropout_p=dropout, enable_gqa=query.shape[1] != key.shape[1])
    length = query.shape[2]
    if window is None or window >= length:
        return scaled_dot_product_attention(query, key, value, is_causal=True, **how)
    near = torch.ones(length, length, dtype=torch.bool, device=query.device).tril().triu(1 - window)
    return scaled_dot_product_attention(query, key, value, attn_mask=near, **how)


def _torch_line(a: Line, key: Tensor, value: Tensor, more: dict[str, bool]) -> Tensor:
    ends = (a.starts, a.starts, a.longest, a.longest)
    return _varlen_attn()(a.query, key, value, *ends, scale=a.scale, window_size=a.sides, **more)


def _torch_takes(*names: str) -> bool:
    return {*names} <= {*inspect.signature(_varlen_attn()).parameters}


def _varlen_attn() -> Callable:
    from torch.nn.attention.varlen import varlen_attn  # only here, as it looks at 9,500 files

    return varlen_attn


def _flash_attn(name: str) -> Callable:
    try:
        import flash_attn
    except ModuleNotFoundError as e:
        raise Lacking("not installed") from e
    return getattr(flash_attn, name)


def _operator() -> Any:
    return torch.ops.aten._flash_attention_forward


def _shares(a: Asked) -> bool:
    return a.query.shape[-2] != a.key.shape[-2]


def _one_each(a: Slots) -> Tensor:
    return torch.arange(len(a.query) + 1, dtype=torch.int32, device=a.query.device)
