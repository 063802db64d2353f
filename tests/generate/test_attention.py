"""Attention of sequences of different lengths in one pass: each sees what it would see alone, by every way there is."""

import pytest
import torch
import torch.nn.attention.varlen
from torch.nn.functional import scaled_dot_product_attention

from tests.generate import tiny
from tests.train import kernels
from winsweep.generate import attention
from winsweep.generate.compatibility import fitting
from winsweep.train import attention_choice


@pytest.fixture(params=[kernels.torch_2_11_strict, kernels.torch_2_13], ids=["2.11", "2.13"])
def fused(request, monkeypatch):
    """Kernels that run on GPUs alone, by what torch documents of them."""
    monkeypatch.setattr(attention_choice, "_ways", {})
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", request.param)
    with torch.library._scoped_library("aten", "IMPL") as library:
        library.impl("_flash_attention_forward", kernels.forward, "CPU")
        yield


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_slots_see_what_they_hold(fused, kv_heads):
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
    for way in (attention._slots, attention._slots_fused):
        torch.testing.assert_close(way(query, key, value, lengths, 0.3), torch.cat(alone), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_prompts_in_a_line_see_themselves_alone(fused, kv_heads):
    torch.manual_seed(0)
    lengths = torch.tensor([5, 1, 9, 6], dtype=torch.int32)
    query, key, value = (torch.randn(1, heads, 21, 8) for heads in (4, kv_heads, kv_heads))
    parts = zip(*(x.split(lengths.tolist(), 2) for x in (query, key, value)))
    alone = [
        scaled_dot_product_attention(*part, is_causal=True, scale=0.3, enable_gqa=True).transpose(1, 2)
        for part in parts
    ]
    for way in (attention._line, attention._line_fused):
        torch.testing.assert_close(way(query, key, value, lengths, 0.3), torch.cat(alone, 1), rtol=0, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")
@pytest.mark.parametrize("kind", ["llama", "llama, shared keys", "olmo"])
def test_on_a_gpu_steps_are_graphs_and_read_no_further_than_needed(kind):
    step, how = fitting(tiny.model(tiny.KINDS[kind], torch.bfloat16).cuda())
    assert how.startswith("slots, graphs, by ") and step.recorded


@pytest.mark.parametrize("kind", ["llama", "llama, shared keys", "olmo"])
def test_a_model_over_fused_kernels_writes_what_it_would_alone(fused, kind, monkeypatch):
    monkeypatch.setattr(attention_choice, "fits", lambda query: True)
    step, how = fitting(tiny.model(tiny.KINDS[kind]))
    assert step and how.startswith("slots, by torch ") and "scaled_dot_product" not in how
