"""A loss over held-out rows is that of a plain loop over them, and training with it is bit for bit training without."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.train.killed import RECIPE
from tests.train.world import MASKED, World, make_examples
from winsweep.train.held_out import HeldOut

HELD_OUT = HeldOut(make_examples(9, seed=5), every=3)


def plain_loss(base, out) -> float:
    """The mean over all targets of all rows, one row at a time, in float64."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64).eval()
    found = {name: t for path in out.glob("*.safetensors") for name, t in load_file(path).items()}
    model.load_state_dict(found, strict=False)
    counts = [sum(label != MASKED for label in row.labels[1:]) for row in HELD_OUT.examples]
    with torch.no_grad():
        means = [
            model(input_ids=torch.tensor([r.ids]), labels=torch.tensor([r.labels])).loss.item()
            for r in HELD_OUT.examples
        ]
    return sum(mean * num for mean, num in zip(means, counts)) / sum(counts)


@pytest.mark.parametrize(
    ("zero", "num_ranks"), [("zero0", 2), ("zero1", 1), ("zero2", 2), ("zero3", 2), ("zero3", 3), ("zero3_offload", 1)]
)
def test_weights_are_the_same_bits_and_the_loss_is_a_plain_loops(new_world, dropout_model, zero, num_ranks):
    without, beside = (new_world(name, zero, num_ranks) for name in ("without", "beside"))
    beside.held_out = HELD_OUT
    without.done(), beside.done()
    log, weights = beside.published()
    assert ([line for line in log if "loss" in line], weights) == without.published()
    found = beside.held_out_losses()
    num_steps = beside.facts()["num_steps"]
    assert list(found) == sorted({*range(3, num_steps + 1, 3), num_steps})
    assert found[num_steps] == pytest.approx(plain_loss(dropout_model, beside.out), abs=1e-6)
    assert found[3] != found[num_steps] and {line["eval_tokens"] for line in log if "eval_tokens" in line} == {
        sum(label != MASKED for row in HELD_OUT.examples for label in row.labels[1:])
    }
    assert without.notes()["packing"] == beside.notes()["packing"]


@pytest.mark.parametrize(("zero", "step"), [("zero1", 4), ("zero3", 6), ("zero2", 7)])
def test_a_killed_run_goes_on_with_the_lines_of_one_that_was_not(new_world, zero, step):
    whole, killed = (new_world(name, zero) for name in ("whole", "killed"))
    whole.held_out = killed.held_out = HELD_OUT
    killed.killed_at(rank=0, event="progress", step=step)
    assert killed.checkpoints() == [f"checkpoint-{step // 3 * 3 if step % 3 else step - 3}"]
    assert killed.done().published() == whole.done().published()


def test_a_checkpoint_made_without_is_gone_on_with(new_world):
    world = new_world("world")
    world.killed_at(rank=1, event="progress", step=5)
    world.held_out = HELD_OUT
    assert next(iter(world.done().held_out_losses())) == 6
    assert world.published()[1] == new_world("other").done().published()[1]


def test_rows_that_are_padded_have_the_same_loss(tmp_path, model, monkeypatch):
    packed = World(tmp_path / "packed", model, "zero1", 1, RECIPE, micro_tokens=28)
    padded = World(tmp_path / "padded", model, "zero1", 1, RECIPE, micro_tokens=28)
    packed.held_out = padded.held_out = HELD_OUT
    packed.done()
    monkeypatch.setattr("winsweep.train.engine.pack_or_not", lambda engine, group: "it was asked for")
    padded.done()
    assert padded.held_out_losses() == pytest.approx(packed.held_out_losses(), abs=1e-4)
    assert padded.held_out_losses()[3] == pytest.approx(packed.held_out_losses()[3], abs=2e-6)
