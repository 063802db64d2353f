"""A finetune of adapters that was killed goes on bit for bit, its checkpoints hold adapters alone, and another layout
takes them over.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.train.killed import RECIPE
from tests.train.test_loop import weights
from tests.train.world import World
from winsweep.study.lora import Lora

TUNED = replace(RECIPE, lr=1e-2, epochs=2, global_batch=8, precision="bf16", lora=Lora(rank=2, dropout=0.1))  # 6 steps
PLACED = {"micro_tokens": 28, "checkpoint_steps": 3, "checkpoint_behind": False}  # there when the next step begins


def world(root: Path, model: Path, zero: str, num_ranks: int, **change: object) -> World:
    return World(root, model, zero, num_ranks, replace(TUNED, **change), **PLACED)


def num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero0", 1), ("zero3", 2)])
def test_killed_training_gives_the_same_bits(zero: str, num_ranks: int, model: Path, tmp_path: Path) -> None:
    undisturbed = world(tmp_path / "undisturbed", model, zero, num_ranks).done()
    killed = world(tmp_path / "killed", model, zero, num_ranks)
    killed.killed_at(rank=num_ranks - 1, event="progress", step=5)
    assert killed.checkpoints() == ["checkpoint-3"]
    assert killed.done().published() == undisturbed.published()
    assert killed.facts()["notes"] == ["went on from checkpoint-3"]


@pytest.mark.parametrize(("old", "new"), [(("zero2", 2), ("zero3", 1)), (("zero3", 2), ("zero1", 1))])
def test_another_layout_takes_adapters_over(old: tuple, new: tuple, model: Path, tmp_path: Path) -> None:
    one = dict(precision="fp32", lora=Lora(rank=2))
    undisturbed = world(tmp_path / "undisturbed", model, *new, **one).done()
    killed = world(tmp_path / "killed", model, *old, **one)
    killed.killed_at(rank=0, event="progress", step=5)
    carried = world(tmp_path / "killed", model, *new, **one)
    carried.num_attempts = killed.num_attempts
    assert carried.done().losses() == pytest.approx(undisturbed.losses(), rel=1e-5)
    assert "went on from checkpoint-3 with another layout" in carried.facts()["notes"][0]
    for name, tensor in weights(carried.out).items():
        torch.testing.assert_close(tensor, weights(undisturbed.out)[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero0", 1), ("zero2", 1), ("zero3", 1)])
def test_a_checkpoint_holds_adapters_and_their_moments_alone(
    zero: str, num_ranks: int, model: Path, tmp_path: Path
) -> None:
    """fp32 weights and two moments of 2 · (inputs + outputs) numbers for each module, and little else: the model, which
    is ten times that, is in none.
    """
    run = world(tmp_path / "run", model, zero, num_ranks, lora=Lora(rank=1, targets=("q_proj",)))
    run.killed_at(rank=0, event="progress", step=5)
    [checkpoint] = run.work.glob("checkpoint-3")
    states = sum(path.stat().st_size for path in (checkpoint / "engine").rglob("*"))
    of_base = num_bytes(model)
    assert of_base > 100_000 and states < of_base / 4, (states, of_base)
    saved = [torch.load(path, weights_only=False) for path in checkpoint.rglob("*model_states.pt")]
    assert not [name for state in saved for name in state["module"] if "lora_" not in name]


def test_an_output_layer_that_is_the_embedding_is_in_no_checkpoint(tied_model: Path, tmp_path: Path) -> None:
    """It has two names, of which DeepSpeed leaves out one: of SmolLM2-135M that is 113 MB a checkpoint."""
    run = world(tmp_path / "run", tied_model, "zero1", 1, precision="fp32", lora=Lora(rank=1, targets=("q_proj",)))
    run.killed_at(rank=0, event="progress", step=5)
    [checkpoint] = run.work.glob("checkpoint-3")
    saved = [torch.load(path, weights_only=False) for path in checkpoint.rglob("*model_states.pt")]
    names = [name for state in saved for name in state["module"]]
    assert names and not [name for name in names if "lora_" not in name]
    run.done()
    assert run.facts()["notes"] == ["went on from checkpoint-3"]
