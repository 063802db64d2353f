"""Training equals a plain PyTorch loop, whatever the ZeRO stage, the ranks and the split into micro-batches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup

from tests.train.world import World, make_examples
from winsweep.study.recipe import PRESETS, Recipe
from winsweep.text.encode import MASKED, Example
from winsweep.train.order import permutation, step_rows

RECIPE = Recipe(lr=3e-3, epochs=5, global_batch=6, warmup_ratio=0.2, weight_decay=0.1, clip_norm=1.2, precision="fp32")


def whole(model: torch.nn.Module, row: Example, recipe: Recipe) -> torch.Tensor:
    """The loss of one example as transformers computes it, and times its number of targets where the recipe sums."""
    mean = model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss
    return mean * sum(label != MASKED for label in row.labels[1:]) if recipe.loss == "example_sum" else mean


def plain_loop(base: Path, recipe: Recipe) -> tuple[list[float], list[float], dict]:
    """Losses, gradient norms and final parameters of training one example at a time, without any of winsweep's
    engine.
    """
    examples, num_steps = make_examples(22), recipe.num_steps(22)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).train()
    adam = torch.optim.AdamW(
        model.parameters(), betas=(recipe.beta1, recipe.beta2), eps=recipe.eps, weight_decay=recipe.weight_decay
    )
    losses, norms = [], []
    for step in range(num_steps):
        rows = [examples[row] for row in step_rows(22, recipe, 7, step)]
        losses_of_rows = [whole(model, r, recipe) for r in rows]
        (
            sum(losses_of_rows) / (recipe.global_batch if recipe.short_step == "divide_by_batch" else len(rows))
        ).backward()
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
# ranks and tokens of a micro-batch; the examples have 5 to 24 tokens, and the last step 4 rows instead of 6
SPLITS = [(1, 60), (2, 30)]
MORE = [("zero1", 2, 1), ("zero3", 2, 1), ("zero3", 3, 60), ("zero1", 1, 1), ("zero0", 2, 2000)]


@pytest.mark.parametrize(
    ("zero", "num_ranks", "micro_tokens"), [(zero, *split) for zero in STAGES for split in SPLITS] + MORE
)
def test_equals_a_plain_loop(
    zero: str,
    num_ranks: int,
    micro_tokens: int,
    model: Path,
    reference: tuple,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
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


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero1", 1), ("zero3", 2)])
@pytest.mark.parametrize("change", [{}, {"short_step": "divide_by_batch"}])
def test_the_recipe_as_written_equals_a_plain_loop(
    change: dict, zero: str, num_ranks: int, model: Path, tmp_path: Path
) -> None:
    """Sums of token losses, no clipping, and each way to divide the short step of 4 rows."""
    recipe = replace(PRESETS["as_written"], lr=1e-3, epochs=3, global_batch=6, precision="fp32", **change)
    losses, norms, parameters = plain_loop(model, recipe)
    world = World(tmp_path, model, zero, num_ranks, recipe, micro_tokens=56).done()
    assert world.losses() == pytest.approx(losses, rel=1e-5) and [x["grad_norm"] for x in world.log()] == pytest.approx(
        norms, rel=1e-4
    )
    for name, tensor in weights(world.out).items():
        torch.testing.assert_close(tensor, parameters[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero1", 1), ("zero2", 2), ("zero3", 2)])
def test_bf16_learns_as_fp32_does(zero: str, num_ranks: int, model: Path, reference: tuple, tmp_path: Path) -> None:
    losses, _, parameters = reference
    world = World(tmp_path, model, zero, num_ranks, replace(RECIPE, precision="bf16"), micro_tokens=42).done()
    assert world.losses() == pytest.approx(losses, rel=0.02) and losses[-1] < losses[0] - 0.5
    for name, tensor in weights(world.out).items():
        assert tensor.dtype == torch.bfloat16
        assert (tensor.float() - parameters[name]).abs().mean() < 0.1 * (parameters[name].abs().mean())


class Trainer:
    """The paper's training loop on two pretended processes: accelerate's split of the rows, gradients that DeepSpeed
    adds up to its own count of micro-batches, and a schedule that accelerate moves on when a step is due within an
    epoch and at its end.
    """

    def __init__(self, base: Path, recipe: Recipe, num_rows: int) -> None:
        self.model, self.recipe, self.rates = (
            AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).train(),
            recipe,
            [],
        )
        self.adam = torch.optim.AdamW(self.model.parameters(), lr=recipe.lr, weight_decay=0.0)
        self.each = recipe.global_batch // 2
        total = recipe.epochs * -(-num_rows // self.each)
        self.schedule, self.num_micro = (
            get_linear_schedule_with_warmup(self.adam, int(total * recipe.warmup_ratio), total),
            0,
        )

    def run(self, examples: list[Example]) -> "Trainer":
        for epoch in range(self.recipe.epochs):
            order = permutation(len(examples), 7, epoch)
            pairs = [(order[i], order[(i + 1) % len(order)]) for i in range(0, len(order), 2)]
            for place, pair in enumerate(pairs, 1):
                self.micro([examples[row] for row in pair])
                if place % self.each == 0 or place == len(pairs):
                    self.schedule.step(), self.schedule.step()
        return self

    def micro(self, rows: list[Example]) -> None:
        (sum(whole(self.model, row, self.recipe) for row in rows) / 2 / self.each).backward()
        self.num_micro += 1
        if self.num_micro % self.each == 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.rates.append(self.adam.param_groups[0]["lr"])
            self.adam.step(), self.adam.zero_grad()


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero1", 1), ("zero3", 2)])
@pytest.mark.parametrize(
    ("num", "rates"), [(103, [1.0, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1]), (128, [0.1 * n for n in range(10, 0, -1)])]
)
def test_as_run_is_the_paper_s_trainer(
    num: int, rates: list[float], zero: str, num_ranks: int, model: Path, tmp_path: Path
) -> None:
    """Steps, learning rates and weights."""
    recipe = replace(PRESETS["as_run"], lr=1e-4, epochs=5, precision="fp32")
    theirs = Trainer(model, recipe, num).run(make_examples(num))
    ours = World(tmp_path, model, zero, num_ranks, recipe, micro_tokens=200)
    ours.examples = make_examples(num)
    assert (
        [line["lr"] / recipe.lr for line in ours.done().log()]
        == pytest.approx(rates, abs=1e-12)
        == [rate / recipe.lr for rate in theirs.rates]
    )
    parameters, start = (
        dict(theirs.model.named_parameters()),
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).state_dict(),
    )
    for name, tensor in weights(ours.out).items():
        torch.testing.assert_close(tensor, parameters[name].detach(), rtol=0, atol=1e-6)
        assert (tensor - parameters[name].detach()).norm() < 1e-3 * (tensor - start[name]).norm()


def test_rows_that_fill_no_step_are_refused(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 1, replace(PRESETS["as_run"], epochs=2, precision="fp32"))
    assert "22 rows in 2 epochs do not fill one step of 64" in world.refused()[0]


def test_the_seed_decides_the_order_and_nothing_else_does(model: Path, tmp_path: Path) -> None:
    same, other, again = [World(tmp_path / name, model, "zero1", 2, RECIPE, micro_tokens=28) for name in "abc"]
    other.seed = 8
    assert same.done().published() == again.done().published() != other.done().published()
