"""Training equals a plain PyTorch loop, whatever the ZeRO stage, the ranks and the micro-batch."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from train_world import World, make_examples
from winsweep.recipe import Recipe
from winsweep.train.order import step_rows

RECIPE = Recipe(lr=3e-3, epochs=5, global_batch=6, warmup_ratio=0.2, weight_decay=0.1, clip_norm=0.5, precision="fp32")


def plain_loop(base: Path, recipe: Recipe, dtype: torch.dtype) -> tuple[list[float], dict]:
    examples = make_examples(22)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype).train()
    adam = torch.optim.AdamW(model.parameters(), betas=(recipe.beta1, recipe.beta2), eps=recipe.eps, weight_decay=recipe.weight_decay)
    losses, num_steps = [], recipe.epochs * math.ceil(22 / recipe.global_batch)
    for step in range(num_steps):
        rows = [examples[row] for row in step_rows(22, recipe.global_batch, 7, step)]
        loss = sum(model(input_ids=torch.tensor([r.ids]), labels=torch.tensor([r.labels])).loss for r in rows) / len(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        adam.param_groups[0]["lr"] = recipe.lr_at(step, num_steps)
        adam.step(), adam.zero_grad()
        losses.append(loss.item())
    return losses, dict(model.named_parameters())


@pytest.fixture(scope="module")
def reference(model: Path) -> tuple[list[float], dict]:
    return plain_loop(model, RECIPE, torch.float32)


def weights(out: Path) -> dict:
    return {name: tensor for path in out.glob("*.safetensors") for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("zero", ["zero0", "zero1", "zero2", "zero3", "zero3_offload"])
@pytest.mark.parametrize("num_ranks, micro_batch", [(1, 4), (2, 2), (2, 1)])
def test_equals_a_plain_loop(zero: str, num_ranks: int, micro_batch: int, model: Path, reference: tuple, tmp_path: Path) -> None:
    world = World(tmp_path, model, zero, num_ranks, RECIPE, micro_batch=micro_batch).done()
    assert world.losses() == pytest.approx(reference[0], rel=1e-5)
    for name, tensor in weights(world.out).items():
        torch.testing.assert_close(tensor, reference[1][name], rtol=1e-3, atol=1e-5)
