"""Training equals a plain PyTorch loop, whatever the ZeRO stage, the ranks and the split into micro-batches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.train.world import World, make_examples
from winsweep.study.recipe import PRESETS, Recipe
from winsweep.text.encode import MASKED, Example
from winsweep.train.order import step_rows

RECIPE = Recipe(lr=3e-3, epochs=5, global_batch=6, warmup_ratio=0.2, weight_decay=0.1, clip_norm=1.2, precision="fp32")


def whole(model: torch.nn.Module, row: Example, recipe: Recipe) -> torch.Tensor:
    """The loss of one example as transformers computes it, and times its number of targets where the recipe sums."""
    mean = model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss
    return mean * sum(label != MASKED for label in row.labels[1:]) if recipe.loss == "example_sum" else mean


def plain_loop(base: Path, recipe: Recipe) -> tuple[list[float], list[float], dict]:
    """Losses, gradient norms and final parameters of training one example at a time, without any of winsweep's engine."""
    examples, num_steps = make_examples(22), recipe.num_steps(22)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).train()
    adam = torch.optim.AdamW(model.parameters(), betas=(recipe.beta1, recipe.beta2), eps=recipe.eps, weight_decay=recipe.weight_decay)
    losses, norms = [], []
    for step in range(num_steps):
        rows = [examples[row] for row in step_rows(22, recipe.global_batch, 7, step)]
        losses_of_rows = [whole(model, r, recipe) for r in rows]
        (sum(losses_of_rows) / (recipe.global_batch if recipe.short_step == "divide_by_batch" else len(rows))).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm or float("inf")).item())
        adam.param_groups[0]["lr"] = recipe.lr_at(step, 22)
        adam.step(), adam.zero_grad()
        losses.append(sum(losses_of_rows).item() / len(rows))
    return losses, norms, dict(model.named_parameters())


@pytest.fixture(scope="module")
def reference(model: Path) -> tuple[list[float], list[float], dict]:
    return plain_loop(model, RECIPE)


def weights(out: Path) -> dict:
    return {name: tensor for path in out.glob("*.safetensors") for name, tensor in load_file(path).items()}


STAGES = ["zero0", "zero1", "zero2", "zero3", "zero3_offload"]
SPLITS = [(1, 60), (2, 30)]  # ranks and tokens of a micro-batch; the examples have 5 to 24 tokens, and the last step 4 rows instead of 6
MORE = [("zero1", 2, 1), ("zero3", 2, 1), ("zero3", 3, 60), ("zero1", 1, 1), ("zero0", 2, 2000)]


@pytest.mark.parametrize("zero, num_ranks, micro_tokens", [(zero, *split) for zero in STAGES for split in SPLITS] + MORE)
def test_equals_a_plain_loop(
    zero: str, num_ranks: int, micro_tokens: int, model: Path, reference: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "compiled"))
    losses, norms, parameters = reference
    world = World(tmp_path, model, zero, num_ranks, RECIPE, micro_tokens=micro_tokens).done()
    assert world.losses() == pytest.approx(losses, rel=1e-6) and len(losses) == 20
    assert [line["grad_norm"] for line in world.log()] == pytest.approx(norms, rel=1e-4)
    assert max(norms) > RECIPE.clip_norm > min(norms)  # so clipping, and not clipping, are both under test
    for name, tensor in weights(world.out).items():
        torch.testing.assert_close(tensor, parameters[name], rtol=1e-3, atol=1e-5)
    assert not (tmp_path / "compiled").exists()


@pytest.mark.parametrize("zero, num_ranks", [("zero1", 1), ("zero3", 2)])
@pytest.mark.parametrize("change", [{}, {"short_step": "divide_by_batch"}])
def test_the_recipe_as_written_equals_a_plain_loop(change: dict, zero: str, num_ranks: int, model: Path, tmp_path: Path) -> None:
    """Sums of token losses, no clipping, and each way to divide the short step of 4 rows."""
    recipe = replace(PRESETS["as_written"], lr=1e-3, epochs=3, global_batch=6, precision="fp32", **change)
    losses, norms, parameters = plain_loop(model, recipe)
    world = World(tmp_path, model, zero, num_ranks, recipe, micro_tokens=56).done()
    assert world.losses() == pytest.approx(losses, rel=1e-5) and [x["grad_norm"] for x in world.log()] == pytest.approx(norms, rel=1e-4)
    for name, tensor in weights(world.out).items():
        torch.testing.assert_close(tensor, parameters[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("zero, num_ranks", [("zero1", 1), ("zero2", 2), ("zero3", 2)])
def test_bf16_learns_as_fp32_does(zero: str, num_ranks: int, model: Path, reference: tuple, tmp_path: Path) -> None:
    losses, _, parameters = reference
    world = World(tmp_path, model, zero, num_ranks, replace(RECIPE, precision="bf16"), micro_tokens=42).done()
    assert world.losses() == pytest.approx(losses, rel=0.02) and losses[-1] < losses[0] - 0.5
    for name, tensor in weights(world.out).items():
        assert tensor.dtype == torch.bfloat16
        assert (tensor.float() - parameters[name]).abs().mean() < 0.1 * (parameters[name].abs().mean())


def test_the_seed_decides_the_order_and_nothing_else_does(model: Path, tmp_path: Path) -> None:
    same, other, again = [World(tmp_path / name, model, "zero1", 2, RECIPE, micro_tokens=28) for name in "abc"]
    other.seed = 8
    assert same.done().published() == again.done().published() != other.done().published()
