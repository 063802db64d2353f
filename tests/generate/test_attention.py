"""Attention of sequences of different lengths in one pass: each sees what it would see alone, by every way there is."""

import pytest
import torch
import torch.nn.attention.varlen
from torch.nn.functional import scaled_dot_product_attention

from tests.generate import tiny
from winsweep.generate import attention
from winsweep.generate.compatibility import fitting


def kernel(
    query,
    key,
    value,
    starts_q,
    starts_k,
    longest_q,
    longest_k,
    *,
    scale,
    window_size=(-1, -1),
    enable_gqa,
    seqused_k=None,
    block_table=None,
    num_splits=None,
):
    """What torch documents of its varlen_attn, which runs on GPUs alone, a sequence at a time."""
    found = []
    for i in range(len(starts_q) - 1):
        span = slice(starts_k[i], starts_k[i + 1]) if block_table is None else None
        k, v = (x[span] if span else x[block_table[i].long()].flatten(0, 1)[: seqused_k[i]] for x in (key, value))
        q, k, v = (x.transpose(0, 1)[None] for x in (query[starts_q[i] : starts_q[i + 1]], k, v))
        found.append(
            scaled_dot_product_attention(q, k, v, is_causal=window_size == (-1, 0), scale=scale, enable_gqa=enable_gqa)[
                0
            ].transpose(0, 1)
        )
    return torch.cat(found)


@pytest.fixture
def paged(monkeypatch):
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", kernel)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_slots_see_what_they_hold(paged, kv_heads):
    torch.manual_seed(0)
    lengths = torch.randint(1, 513, (35,), dtype=torch.int32)
    query, (key, value) = (
        torch.randn(35, 4, 1, 8),
        (torch.randn(35, 512, kv_heads, 8).transpose(1, 2) for _ in range(2)),
    )
    alone = [
        scaled_dot_product_attention(q[None], k[None, :, :n], v[None, :, :n], scale=0.3, enable_gqa=True).transpose(
            1, 2
        )
        for q, k, v, n in zip(query, key, value, lengths)
    ]
    for way in (attention._slots, attention._slots_paged):
        torch.testing.assert_close(way(query, key, value, lengths, 0.3), torch.cat(alone), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_prompts_in_a_line_see_themselves_alone(paged, kv_heads):
    torch.manual_seed(0)
    lengths = torch.tensor([5, 1, 9, 6], dtype=torch.int32)
    query, key, value = (torch.randn(1, heads, 21, 8) for heads in (4, kv_heads, kv_heads))
    parts = zip(*(x.split(lengths.tolist(), 2) for x in (query, key, value)))
    alone = [
        scaled_dot_product_attention(*part, is_causal=True, scale=0.3, enable_gqa=True).transpose(1, 2)
        for part in parts
    ]
    for way in (attention._line, attention._line_paged):
        torch.testing.assert_close(way(query, key, value, lengths, 0.3), torch.cat(alone, 1), rtol=0, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")
@pytest.mark.parametrize("kind", ["llama", "llama, shared keys", "olmo"])
def test_on_a_gpu_steps_are_graphs_and_read_no_further_than_needed(kind):
    step, how = fitting(tiny.model(tiny.KINDS[kind], torch.bfloat16).cuda())
    assert how == "slots, graphs" and step.recorded
