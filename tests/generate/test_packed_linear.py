"""Weights laid out for few rows: products are those of the model to rounding, tokens the same, the model as it was."""

import pytest
import torch

from tests.generate import tiny
from winsweep.generate import packed_linear
from winsweep.generate.decoder import Decoder
from winsweep.generate.step import Step
from winsweep.text.ends import Ends


@pytest.mark.parametrize("kind", ["llama, shared keys", "qwen2", "opt"])  # without and with biases
def test_tokens_are_those_of_the_model_itself(kind):
    net = tiny.model(tiny.KINDS[kind])
    asked = tiny.prompts([3, 17, 5, 30, 2, 9], [12] * 6)
    want = {p.row: tiny.alone(net, p) for p in asked}
    step = Step(net)
    assert not step.packed, "a small model has nothing from it"
    step.packed = packed_linear.packed(net, least=0)
    assert len(step.packed) == sum(isinstance(m, torch.nn.Linear) for m in net.modules())
    with torch.inference_mode():
        assert dict(Decoder(step, 3, Ends((tiny.EOS,)), None).answer(asked, lambda: None)) == want


def test_layers_compute_so_inside_alone():
    net = tiny.model()
    layers = packed_linear.packed(net, least=0)
    for rows in (1, 7, packed_linear.MOST_ROWS, packed_linear.MOST_ROWS + 1):
        for layer, _ in layers[:3]:
            x = torch.randn(rows, 1, layer.in_features, generator=torch.Generator().manual_seed(rows))
            with torch.no_grad():
                want = layer(x)
                with packed_linear.used(layers):
                    got = layer(x)
                assert torch.allclose(got, want, rtol=1e-5, atol=1e-6)
                assert rows <= packed_linear.MOST_ROWS or torch.equal(got, want)
                assert torch.equal(layer(x), want)


def test_a_layer_that_was_replaced_is_left_alone_and_so_is_what_is_not_float32():
    net = tiny.model()
    net.lm_head = torch.nn.Sequential(net.lm_head)  # as an adapter wraps a layer: what is inside is packed
    assert len(packed_linear.packed(net, least=0)) == sum(type(m) is torch.nn.Linear for m in net.modules())
    assert packed_linear.packed(net.bfloat16(), least=0) == []
    assert packed_linear.packed(net.float(), least=1 << 40) == []
