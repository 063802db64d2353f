"""In bf16, the gradient of packed examples is as near to the exact one as that of one by one, by the fast kernel."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from winsweep.text.encode import MASKED, Example
from winsweep.train import memory, varlen
from winsweep.train.loss import pack, packed_loss

pytestmark = pytest.mark.gpu
SIZES = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4, vocab_size=512)
KINDS = {
    "llama": ("llama", {}),
    "shared keys": ("llama", dict(num_key_value_heads=2)),
    "a window": ("mistral", dict(num_key_value_heads=2, sliding_window=48)),
}
LENGTHS = Path(__file__).parents[1] / "benchmarks/lima_lengths.json"


def make(kind: str, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    torch.manual_seed(3)
    name, more = KINDS[kind]
    config = AutoConfig.for_model(name, **SIZES | more, max_position_embeddings=4096)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).to(dtype)
    return model.to(device).train()


def examples(device: torch.device) -> list[Example]:
    """Twelve of LIMA's lengths; a sixteenth of them on a CPU."""
    rng, shrink = random.Random(7), 1 if device.type == "cuda" else 16
    found = []
    for length, answer in rng.sample(json.loads(LENGTHS.read_text()), 12):
        num = max(8, min(length, 2048) // shrink)
        cut = num - min(num - 3, max(3, answer // shrink))
        ids = [rng.randrange(512) for _ in range(num)]
        found.append(Example(ids, [MASKED] * cut + ids[cut:]))
    return [*found, Example([5], [5])]


def alone(model: PreTrainedModel, row: Example) -> torch.Tensor:
    ids, labels = (torch.tensor([x], device=model.device) for x in (row.ids, row.labels))
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    return F.cross_entropy(logits, labels[0, 1:])


def summed(model: PreTrainedModel, losses: list[Callable[[], torch.Tensor]]) -> tuple[float, torch.Tensor]:
    """The sum of losses and of their gradients, which adds up in fp32, as training does it."""
    total, gradient = 0.0, None
    for loss in losses:
        model.zero_grad(set_to_none=True)
        (value := loss()).backward()
        here = torch.cat([p.grad.float().flatten() for p in model.parameters()])
        gradient = here if gradient is None else gradient + here
        total += value.item()
    return total, gradient


def off(found: tuple[float, torch.Tensor], exact: tuple[float, torch.Tensor]) -> tuple[float, float]:
    return abs(found[0] - exact[0]) / exact[0], float((found[1] - exact[1]).norm() / exact[1].norm())


@pytest.mark.parametrize("kind", KINDS)
def test_packed_is_as_near_to_exact_as_one_by_one(kind: str, device: torch.device) -> None:
    rows = examples(device)
    counted = [row for row in rows if len(row.ids) > 1]
    fp32, bf16 = (make(kind, dtype, device) for dtype in (torch.float32, torch.bfloat16))
    exact = summed(fp32, [lambda row=row: alone(fp32, row) for row in counted])
    one_by_one = off(summed(bf16, [lambda row=row: alone(bf16, row) for row in counted]), exact)
    assert varlen.prepare(bf16, bf16, device) == ""
    halves = [pack(rows[:6]).to(device), pack(rows[6:]).to(device)]
    packed = off(summed(bf16, [lambda batch=batch: packed_loss(bf16, batch) for batch in halves]), exact)
    print(f"{kind}: loss and gradient are off by {packed} packed, {one_by_one} one by one")
    assert packed[0] < 1.5 * one_by_one[0] + 1e-3 and packed[1] < 1.5 * one_by_one[1] + 1e-3 < 0.1


@pytest.mark.parametrize("level", ["cheap", "full"])
def test_what_is_made_again_is_the_same(level: str, device: torch.device) -> None:
    batch, found = pack(examples(device)).to(device), []
    for how in ("none", level):
        model = make("shared keys", torch.bfloat16, device)
        memory.recompute(model, how)
        assert varlen.prepare(model, model, device) == ""
        found.append(summed(model, [lambda model=model: packed_loss(model, batch)]))
    # a kernel may add a gradient up in any order
    assert off(*found) <= ((1e-6, 1e-2) if device.type == "cuda" else (0.0, 0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_is_the_fast_one(kind: str, device: torch.device) -> None:
    if device.type != "cuda":
        pytest.skip("a CPU has none")
    model = make(kind, torch.bfloat16, device)
    assert varlen.prepare(model, model, device) == ""
    batch = pack(examples(device)).to(device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profiler:
        packed_loss(model, batch).backward()
    counts = {event.key: event.count for event in profiler.key_averages()}
    forward = sum(n for name, n in counts.items() if name.endswith("_flash_attention_forward"))
    assert forward == SIZES["num_hidden_layers"], sorted(name for name in counts if "attention" in name)
    assert not [name for name in counts if name.startswith("aten::scaled_dot_product_attention")]


def test_adam_reaches_all_of_a_long_tensor(device: torch.device) -> None:
    """DeepSpeed gives a rank's whole model to Adam as one tensor, of more numbers than 32 bits count."""
    num = 2**31 + 12345 if device.type == "cuda" else 2**16 + 12345
    if device.type == "cuda" and torch.cuda.mem_get_info()[0] < 18 * num:
        pytest.skip("a smaller GPU trains no such model")
    flat = torch.zeros(num, device=device, requires_grad=True)
    flat.grad = torch.full_like(flat, 0.5)
    adam = torch.optim.AdamW([flat], lr=1e-2, weight_decay=0.0, fused=True)
    adam.step()
    low, high = flat.detach().aminmax()
    assert float(low) == pytest.approx(-1e-2, rel=1e-4) and float(high) == pytest.approx(-1e-2, rel=1e-4)
