"""Training that goes on with other ranks or another ZeRO stage ends where training that had that layout all
along ends.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.train.world import World
from winsweep.store import manifest
from winsweep.study.recipe import Recipe

FP32 = Recipe(lr=3e-3, epochs=2, global_batch=6, warmup_ratio=0.2, precision="fp32")  # 8 steps
BF16 = replace(FP32, precision="bf16")
# That the state is carried bit for bit between all stages is test_carried_state's; here, that training goes on with it.
PAIRS = [("zero0", 1, "zero1", 2, FP32), ("zero3", 2, "zero0", 1, FP32), ("zero2", 2, "zero1", 3, BF16)]
# Largest difference of weights and of losses from the run that had the new layout all along. Of two undisturbed runs, 1
# rank and 3, it is 1.2e-6 and 4.5e-8 with fp32; with bf16, which rounds each layout's sums otherwise, 0.021 and 7.9e-5.
BOUNDS = {"fp32": (1e-5, 1e-6), "bf16": (2**-5, 2e-4)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tied_model: Path) -> Callable[[str, int, Recipe], World]:
    """The run that has one layout from its first step to its last; made once for each."""
    known: dict[tuple, World] = {}

    def find(zero: str, num_ranks: int, recipe: Recipe) -> World:
        how = (zero, num_ranks, recipe)
        if how not in known:
            known[how] = World(tmp_path_factory.mktemp("undisturbed"), tied_model, *how, micro_tokens=28).done()
        return known[how]

    return find


def killed(root: Path, base: Path, zero: str, num_ranks: int, recipe: Recipe = FP32) -> World:
    """A run that was killed after step 5 of 8 and has a checkpoint of step 3."""
    world = World(root, base, zero, num_ranks, recipe, micro_tokens=28, checkpoint_steps=3, checkpoint_behind=False)
    world.killed_at(rank=0, event="progress", step=5)
    assert world.checkpoints() == ["checkpoint-3"]
    return world


def other(world: World, zero: str, num_ranks: int, **placement: int) -> World:
    """The same run with another layout."""
    how = dict(micro_tokens=40, checkpoint_steps=3, checkpoint_behind=False) | placement
    again = World(world.root, world.base, zero, num_ranks, world.recipe, **how)
    again.num_attempts, again.seed = world.num_attempts, world.seed
    return again


def weights(world: World) -> dict[str, torch.Tensor]:
    return {
        name: tensor.float()
        for path in sorted(world.out.glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def distance(one: World, two: World) -> float:
    """The largest difference of a parameter, relative to its largest number."""
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours)


@pytest.mark.parametrize(
    ("old", "old_ranks", "new", "new_ranks", "recipe"), PAIRS, ids=lambda value: getattr(value, "precision", value)
)
def test_another_layout_goes_on(
    old: str,
    old_ranks: int,
    new: str,
    new_ranks: int,
    recipe: Recipe,
    undisturbed: Callable[..., World],
    tied_model: Path,
    tmp_path: Path,
) -> None:
    again = other(killed(tmp_path, tied_model, old, old_ranks, recipe), new, new_ranks).done()
    whole = undisturbed(new, new_ranks, recipe)
    bound, loss_bound = BOUNDS[recipe.precision]
    assert distance(again, whole) < bound
    assert again.losses() == pytest.approx(whole.losses(), rel=loss_bound)
    assert [line["step"] for line in again.log()] == list(range(1, 9)) and again.checkpoints() == ["checkpoint-6"]
    [note] = again.facts()["notes"]
    assert note.startswith("went on from checkpoint-3 with another layout: ") and again.notes()["resumed"] == [note]
    assert (
        (f"ranks {old_ranks} -> {new_ranks}" in note)
        == (old_ranks != new_ranks)
        == ("random numbers start anew" in note)
    )


def test_there_and_back_is_bit_exact_in_what_is_carried(tied_model: Path, tmp_path: Path, undisturbed) -> None:
    """1 rank, then 2 that are killed before their first checkpoint, then 1 again: as if the 2 had never been."""
    world = killed(tmp_path, tied_model, "zero1", 1)
    there = other(world, "zero3", 2)
    there.killed_at(rank=1, event="progress", step=4)
    assert there.checkpoints() == ["checkpoint-3"]
    back = other(there, "zero1", 1, micro_tokens=28).done()
    assert back.published() == undisturbed("zero1", 1, FP32).published()
    assert len(back.facts()["notes"]) == 2 and back.facts()["notes"][1] == "went on from checkpoint-3"


def test_other_buffers_give_the_same_bits(dropout_model: Path, tmp_path: Path) -> None:
    """bf16 weights, their fp32 copy, moments and random states are all carried: by parameter, as by DeepSpeed where
    nothing changed.

    Not so for sub_group_size, after which the norm of the gradient is summed in other parts: its state is in
    test_carried_state.
    """
    world, ends = killed(tmp_path / "changed", dropout_model, "zero3", 2, BF16), []
    shutil.copytree(world.root, tmp_path / "same")
    for name, changed in (("same", {}), ("changed", {"stage3_prefetch_bucket_size": 5000})):
        again = other(world, "zero3", 2, micro_tokens=28)
        again.root, again.work = tmp_path / name, tmp_path / name / "work"
        again.config["zero_optimization"] |= changed
        ends.append(again.done().published())
        assert ("with another layout" in again.facts()["notes"][0]) == bool(changed)
    assert ends[0] == ends[1]


def test_parameters_in_another_order_are_carried(tied_model: Path, tmp_path: Path, undisturbed) -> None:
    again = other(killed(tmp_path, tied_model, "zero1", 1), "zero2", 2)
    again.config["zero_optimization"] |= {"round_robin_gradients": True}
    assert distance(again.done(), undisturbed("zero1", 1, FP32)) < 1e-5
    assert "round_robin_gradients null -> true" in again.facts()["notes"][0]


def test_small_parameters_that_stage_3_keeps_whole_are_carried(tied_model: Path, tmp_path: Path, undisturbed) -> None:
    again = other(killed(tmp_path, tied_model, "zero1", 1), "zero3", 2)
    again.config["zero_optimization"] |= {"stage3_param_persistence_threshold": 3000, "sub_group_size": 4000}
    again.killed_at(rank=1, event="progress", step=7)
    assert again.checkpoints() == ["checkpoint-6"]
    back = other(again, "zero2", 2)
    assert distance(back.done(), undisturbed("zero1", 1, FP32)) < 1e-5
    assert [note.partition(" with")[0] for note in back.facts()["notes"]] == [
        "went on from checkpoint-3",
        "went on from checkpoint-6",
    ]


def test_dropout_with_other_ranks_is_the_same_each_time(dropout_model: Path, tmp_path: Path) -> None:
    world = killed(tmp_path / "one", dropout_model, "zero1", 1)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    first = other(world, "zero2", 2).done().published()
    world.root, world.work = tmp_path / "two", tmp_path / "two/work"
    again = other(world, "zero2", 2).done()
    assert again.published() == first and again.facts()["notes"][0].startswith(
        "went on from checkpoint-3 with another layout"
    )


def test_a_kill_as_the_state_is_read_costs_nothing(tied_model: Path, tmp_path: Path, undisturbed) -> None:
    again = other(killed(tmp_path, tied_model, "zero2", 2), "zero1", 1)
    again.killed_at(rank=0, event="open", text="pieces-1.pt")
    assert again.checkpoints() == ["checkpoint-3"]
    assert distance(again.done(), undisturbed("zero1", 1, FP32)) < 1e-5


def test_a_base_that_lies_elsewhere_is_the_same_one(tied_model: Path, tmp_path: Path) -> None:
    world = killed(tmp_path, tied_model, "zero1", 1)
    moved = tmp_path / "scratch" / tied_model.name
    shutil.copytree(tied_model, moved)
    world.base = moved
    assert world.done().facts()["notes"] == ["went on from checkpoint-3"]


def reseal(world: World, change: Callable[[Path], None]) -> None:
    """Change the checkpoint of step 3 as another program would have written it: with a manifest that fits."""
    checkpoint = world.work / "checkpoint-3"
    change(checkpoint)
    (checkpoint / manifest.NAME).unlink()
    manifest.seal(checkpoint)


def test_what_an_older_winsweep_saved_is_not_dropped_for_another_layout(tied_model: Path, tmp_path: Path) -> None:
    world = killed(tmp_path, tied_model, "zero1", 1)
    reseal(world, lambda checkpoint: (checkpoint / "pieces-0.pt").unlink())
    again = other(world, "zero1", 2)
    for text in again.refused():
        assert (
            text.startswith("winsweep.errors.Damaged: ")
            and "checkpoint-3: made with num_ranks = 1, now it is 2" in text
        )
        assert f"type rm -r {world.work} " in text and "cluster file" in text
    assert world.checkpoints() == ["checkpoint-3"]
    again = other(again, "zero1", 1)
    assert again.done().facts()["notes"] == ["went on from checkpoint-3"]


def saved_by(versions: dict | None, readable: bool) -> Callable[[Path], None]:
    """A change to a checkpoint that makes it one of other libraries, which call what they save otherwise unless
    `readable`.
    """

    def change(checkpoint: Path) -> None:
        about = json.loads((checkpoint / "about.json").read_text())
        assert about.pop("libraries").keys() == {"deepspeed", "torch", "numpy"}
        (checkpoint / "about.json").write_text(json.dumps(about | ({"libraries": versions} if versions else {})))
        for path in [] if readable else checkpoint.glob("engine/state/*optim_states.pt"):
            state = torch.load(path, weights_only=False)
            torch.save({"of_old": state.pop("optimizer_state_dict"), **state}, path)

    return change


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_what_other_libraries_saved_and_these_cannot_read_asks(
    num_ranks: int, tied_model: Path, tmp_path: Path
) -> None:
    world = killed(tmp_path, tied_model, "zero1", 1)
    reseal(world, saved_by({"deepspeed": "0.9.0", "torch": "2.0.1"}, readable=False))
    again = other(world, "zero1", num_ranks)
    for text in again.refused():
        assert (
            text.startswith("winsweep.errors.Damaged: ")
            and "saved by deepspeed 0.9.0 and torch 2.0.1, which deepspeed 0." in text
        )
        assert (
            "optimizer_state_dict" in text
            and f"type pip install deepspeed==0.9.0 torch==2.0.1, or rm -r {world.work} to train" in text
        )
    assert world.checkpoints() == ["checkpoint-3"] and not (world.work / "notes.txt").exists()  # it did not go on


def test_what_other_libraries_saved_is_used_as_long_as_it_can_be_read(tied_model: Path, tmp_path: Path) -> None:
    world = killed(tmp_path, tied_model, "zero1", 1)
    reseal(world, saved_by({"deepspeed": "0.9.0", "torch": "2.0.1"}, readable=True))
    [note] = world.done().facts()["notes"]
    assert (
        note.startswith("went on from checkpoint-3; saved by other libraries: deepspeed 0.9.0 -> 0.")
        and ", torch 2.0.1 -> " in note
    )
