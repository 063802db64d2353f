"""What fused kernels would give, on the CPU: stand-ins at the doors to torch's varlen_attn and to flash-attn, with the
signatures that these have.
"""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import torch
from torch.nn.functional import scaled_dot_product_attention


def sequence(q, k, v, scale, window=(-1, -1)):
    """One sequence, (T, H, D) and (S, K, D): the queries are its last tokens, as flash-attn has it."""
    ahead = torch.arange(len(k)) - torch.arange(len(k) - len(q), len(k))[:, None]
    left, right = (n if n >= 0 else len(k) for n in window)
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    shared = q.shape[1] != k.shape[1]
    seen = (ahead <= right) & (ahead >= -left)
    return scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=shared)[0].transpose(0, 1)


def sequences(query, key, value, starts_q, starts_k, scale, window=(-1, -1), lengths=None, table=None):
    found = []
    for i, (begin, end) in enumerate(zip(starts_q[:-1].tolist(), starts_q[1:].tolist())):
        first = starts_k[i] if table is None else 0
        last = starts_k[i + 1] if lengths is None else first + lengths[i]
        held = (x if table is None else x[table[i].long()].flatten(0, 1) for x in (key, value))
        found.append(sequence(query[begin:end], *(x[first:last] for x in held), scale, window))
    return torch.cat(found)


def torch_2_11(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)
):
    """Heads in groups go through to a kernel that knows them."""
    return sequences(query, key, value, cu_seq_q, cu_seq_k, scale, window_size)


def torch_2_11_strict(query, key, *more, **options):
    if query.shape[1] != key.shape[1]:
        raise RuntimeError("Number of heads in key/value must be that in query")
    return torch_2_11(query, key, *more, **options)


def torch_2_13(
    query,
    key,
    value,
    cu_seq_q,
    cu_seq_k,
    max_q,
    max_k,
    *,
    return_aux=None,
    scale=None,
    window_size=(-1, -1),
    enable_gqa=False,
    seqused_k=None,
    block_table=None,
    num_splits=None,
):
    if not enable_gqa and query.shape[1] != key.shape[-2]:
        raise ValueError("Expect query and key/value to have the same number of heads")
    return sequences(query, key, value, cu_seq_q, cu_seq_k, scale, window_size, seqused_k, block_table)


def flash_attn_varlen_func(
    q,
    k,
    v,
    cu_seqlens_q,
    cu_seqlens_k,
    max_seqlen_q,
    max_seqlen_k,
    dropout_p=0.0,
    softmax_scale=None,
    causal=False,
    window_size=(-1, -1),
):
    return sequences(q, k, v, cu_seqlens_q, cu_seqlens_k, softmax_scale, (window_size[0], 0 if causal else -1))


def flash_attn_with_kvcache(q, k_cache, v_cache, *, cache_seqlens=None, softmax_scale=None, num_splits=0):
    starts = torch.arange(len(q) + 1)
    ends = (starts, starts * k_cache.shape[1])
    held = (x.flatten(0, 1) for x in (k_cache, v_cache))
    return sequences(q[:, 0], *held, *ends, softmax_scale, lengths=cache_seqlens)[:, None]


FLASH_ATTN = SimpleNamespace(
    flash_attn_varlen_func=flash_attn_varlen_func, flash_attn_with_kvcache=flash_attn_with_kvcache
)


def forward(
    query,
    key,
    value,
    cum_seq_q,
    cum_seq_k,
    max_q,
    max_k,
    dropout_p,
    is_causal,
    return_debug_mask,
    *,
    scale=None,
    window_size_left=None,
    window_size_right=None,
    seqused_k=None,
    alibi_slopes=None,
    block_table=None,
    num_splits=None,
):
    """torch's operator below varlen_attn: output, logarithms of the sums, and three that nobody here reads."""
    window = tuple(-1 if n is None else n for n in (window_size_left, 0 if is_causal else window_size_right))
    out = sequences(query, key, value, cum_seq_q, cum_seq_k, scale, window, seqused_k, block_table)
    return out, query.new_zeros(query.shape[1], len(query)), *(torch.zeros(2, dtype=torch.uint64) for _ in range(3))


def backward(
    grad,
    query,
    key,
    value,
    out,
    logsumexp,
    cum_seq_q,
    cum_seq_k,
    max_q,
    max_k,
    dropout_p,
    is_causal,
    rng_state,
    unused,
    *,
    scale=None,
    window_size_left=None,
    window_size_right=None,
):
    window = tuple(-1 if n is None else n for n in (window_size_left, 0 if is_causal else window_size_right))

    def gradients():
        given = [x.detach().clone().requires_grad_() for x in (query, key, value)]
        return torch.autograd.grad(sequences(*given, cum_seq_q, cum_seq_k, scale, window), given, grad)

    with ThreadPoolExecutor(1) as other:  # below an operator autograd is switched off, in its thread
        return other.submit(gradients).result()
