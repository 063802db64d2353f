"""Adapters are trained as a plain loop over peft's model trains them, whatever the ZeRO stage, the ranks and the split
into micro-batches.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from tests.train.test_loop import RECIPE, weights, whole
from tests.train.world import World, make_examples
from winsweep.study.lora import Lora
from winsweep.study.recipe import Recipe
from winsweep.train.order import step_rows

# peft's own way to ask a model of transformers
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TUNED = replace(RECIPE, epochs=2, lr=2e-2, clip_norm=0.1, lora=Lora(rank=4, alpha=8))


def peft_model(base: Path, seed: int, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config).train()


def plain_loop(base: Path, recipe: Recipe) -> tuple[list[float], list[float], dict]:
    """Losses, gradient norms and adapters of training peft's own model one example at a time."""
    examples, model = make_examples(22), peft_model(base, 7)
    of = {n.removeprefix("base_model.model."): p for n, p in model.named_parameters() if p.requires_grad}
    adam = torch.optim.AdamW(of.values(), eps=recipe.eps, weight_decay=recipe.weight_decay)
    losses, norms = [], []
    for step in range(recipe.num_steps(22)):
        rows = [whole(model, examples[row], recipe) for row in step_rows(22, recipe, 7, step)]
        (sum(rows) / recipe.global_batch).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(of.values(), recipe.clip_norm).item())
        adam.param_groups[0]["lr"] = recipe.lr_at(step, 22)
        adam.step(), adam.zero_grad()
        losses.append(sum(rows).item() / len(rows))
    return losses, norms, of


@pytest.fixture(scope="module")
def reference(model: Path) -> tuple[list[float], list[float], dict]:
    return plain_loop(model, TUNED)


@pytest.mark.parametrize(
    ("zero", "num_ranks", "micro_tokens"),
    [("zero0", 2, 30), ("zero1", 1, 60), ("zero2", 2, 30), ("zero3", 2, 30), ("zero3_offload", 1, 60)],
)
def test_adapters_equal_those_of_a_plain_loop(
    zero: str, num_ranks: int, micro_tokens: int, model: Path, reference: tuple, tmp_path: Path
) -> None:
    losses, norms, adapters = reference
    world = World(tmp_path, model, zero, num_ranks, TUNED, micro_tokens=micro_tokens).done()
    assert world.losses() == pytest.approx(losses, rel=1e-5) and losses[-1] < losses[0] - 0.05
    assert [line["grad_norm"] for line in world.log()] == pytest.approx(norms, rel=1e-4)
    found = weights(world.out)
    assert found.keys() == adapters.keys() and world.facts()["num_parameters"] == sum(map(torch.numel, found.values()))
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, adapters[name].detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero0", 1), ("zero3", 2)])
def test_a_base_in_bf16_has_adapters_in_fp32(
    zero: str, num_ranks: int, model: Path, reference: tuple, tmp_path: Path
) -> None:
    losses, _, adapters = reference
    world = World(tmp_path, model, zero, num_ranks, replace(TUNED, precision="bf16"), micro_tokens=42).done()
    assert world.losses() == pytest.approx(losses, rel=0.02)
    for name, tensor in weights(world.out).items():
        assert tensor.dtype == torch.float32 and not torch.equal(tensor, tensor.bfloat16().float())
        assert (tensor - adapters[name]).abs().mean() < 0.1 * adapters[name].abs().mean() + 1e-3
