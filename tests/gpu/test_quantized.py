"""A base in 4 bits on a GPU: its numbers are those of the CPU but for ties, and adapters on it learn."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes, which is not installed")
pytest.importorskip("peft", reason="adapters need peft, which is not installed")

from winsweep.study.lora import Lora
from winsweep.train import lora, quantization

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
IDS = torch.arange(200)[None]


def test_a_base_in_4_bits_is_loaded_there_and_adapters_on_it_learn(device: torch.device, tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, vocab_size=256)
    whole = LlamaForCausalLM(LlamaConfig(**shape))
    whole.save_pretrained(tmp_path)
    model = quantization.load(tmp_path, None, torch.bfloat16).train()
    assert {p.device.type for p in model.parameters()} == {device.type}
    quantization.give_numbers(model, whole)
    error = (whole.to(device)(IDS.to(device)).logits - model(IDS.to(device)).logits.float()).norm()
    assert error < 0.02 * whole(IDS.to(device)).logits.norm()  # rounding of bf16 alone
    before = {name: p.clone() for name, p in model.named_parameters()}
    lora.attach(model, Lora(rank=8), 1)
    adam = torch.optim.AdamW(lora.trained(model).values(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = model(input_ids=IDS.to(device), labels=IDS.to(device), use_cache=False).loss
        loss.backward(), adam.step(), adam.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    lora.take_off(model)
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
