"""What training leaves behind is whole, finite, loadable, and nothing at all where training went wrong."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.train.world import World
from winsweep.study.recipe import Recipe
from winsweep.text.encode import MASKED, Example

RECIPE = Recipe(lr=3e-3, epochs=1, global_batch=6, precision="fp32")  # 4 steps


def shard_tensors(out: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for path in out.glob("*.safetensors") for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("zero", "num_ranks"), [("zero1", 1), ("zero2", 3), ("zero3", 2)])
def test_tied_weights_load_bit_equal(
    zero: str, num_ranks: int, precision: str, tied_model: Path, tmp_path: Path
) -> None:
    world = World(tmp_path, tied_model, zero, num_ranks, replace(RECIPE, precision=precision), micro_tokens=28).done()
    shutil.copy(tied_model / "config.json", world.out)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    loaded, tensors = AutoModelForCausalLM.from_pretrained(world.out, dtype="auto"), shard_tensors(world.out)
    before = dict(AutoModelForCausalLM.from_pretrained(tied_model, dtype=dtype).named_parameters())
    assert dict(loaded.named_parameters()).keys() == tensors.keys() and "lm_head.weight" not in tensors
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    for name, parameter in loaded.named_parameters():
        assert torch.equal(parameter, tensors[name]) or loaded.dtype != tensors[name].dtype
        assert tensors[name].dtype == dtype and not torch.equal(tensors[name], before[name])


def test_what_is_published(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 2, RECIPE, micro_tokens=28)
    world.examples[0] = Example([1, 2, 3], [1, MASKED, MASKED])
    facts = world.done().facts()
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert sorted(path.name for path in world.out.iterdir()) == [
        "log.jsonl",
        *shards,
        "model.safetensors.index.json",
        "train.json",
    ]
    tensors = shard_tensors(world.out)
    assert facts.pop("num_parameters") == sum(tensor.numel() for tensor in tensors.values())
    counts = {"steps": 4, "num_steps": 4, "num_examples": 22, "num_examples_without_targets": 1}
    assert facts == {**counts, "shards": shards, "dtype": "float32", "notes": []}
    index = json.loads((world.out / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == tensors.keys()
    log = world.log()
    assert [line["step"] for line in log] == [1, 2, 3, 4]
    assert sum(line["num_tokens"] for line in log) == sum(len(example.ids) for example in world.examples)
    assert [line["lr"] for line in log] == [RECIPE.lr_at(step, 22) for step in range(4)]


def test_the_index_is_complete_for_transformers(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero3", 2, RECIPE, micro_tokens=28).done()
    shutil.copy(model / "config.json", world.out)
    loaded, report = AutoModelForCausalLM.from_pretrained(world.out, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert all(torch.equal(parameter, shard_tensors(world.out)[name]) for name, parameter in loaded.named_parameters())


@pytest.mark.parametrize(
    ("zero", "precision"), [("zero0", "fp32"), ("zero1", "bf16"), ("zero2", "bf16"), ("zero3", "fp32")]
)
def test_a_loss_that_is_not_finite_stops_all_and_publishes_nothing(
    zero: str, precision: str, model: Path, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, lr=1e18, precision=precision, clip_norm=1e30, warmup_ratio=0.0)
    world = World(tmp_path, model, zero, 2, recipe, micro_tokens=28, checkpoint_steps=1)
    assert all("NotFinite: step 2 of 4: loss nan" in text for text in world.refused())
    assert not list(world.out.iterdir())


def test_weights_that_are_not_finite_are_not_published(model: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, lr=float("inf"), global_batch=22)  # one step, whose own loss is still finite
    world = World(tmp_path, model, "zero1", 2, recipe, micro_tokens=28)
    assert all("NotFinite: " in text and "the trained weight holds NaN" in text for text in world.refused())
    assert not (world.out / "train.json").exists()


def test_a_log_that_lost_steps_is_not_published(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 2, RECIPE, micro_tokens=28)
    world.on_progress = lambda rank, done: (world.work / "log.jsonl").write_text("") if (rank, done) == (0, 3) else None
    assert all(
        "Incomplete: " in text and "4 steps taken, 1 in the log; 4 are legal" in text for text in world.refused()
    )
    assert not list(world.out.iterdir())


@pytest.mark.parametrize("zero", ["zero1", "zero3"])
def test_a_base_without_all_of_its_weights_is_refused(zero: str, model: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(model, tmp_path / "base"))
    tensors = load_file(base / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    world = World(tmp_path, base, zero, 2, RECIPE, micro_tokens=28)
    assert all(
        "BadData: " in text and "no weights for model.layers.1.mlp.up_proj.weight" in text for text in world.refused()
    )


def test_an_error_in_progress_on_one_rank_ends_all(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 2, RECIPE, micro_tokens=28)
    world.on_progress = lambda rank, done: 1 / (3 - done) if rank == 1 else None
    assert "rank 1: ZeroDivisionError" in world.refused()[0]


@pytest.mark.parametrize(
    ("examples", "says"), [([], "found none"), ([Example([1, 2], [1])], "example 0: found 2 ids and 1 labels")]
)
def test_examples_that_are_none_are_refused(examples: list[Example], says: str, model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 1, RECIPE)
    world.examples = examples
    text = world.refused()[0]
    assert "BadData: " in text and says in text
