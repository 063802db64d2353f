"""A file of ds_configs/ cannot change a number: what the recipe decides is refused by name, and filled in from the
recipe.
"""

import json
from pathlib import Path

import pytest

from tests.train.world import DS_CONFIGS
from winsweep.errors import BadStudy
from winsweep.study.recipe import Recipe
from winsweep.zero import DECIDED, read_zero, resolve

NAMES = ["zero0", "zero1", "zero2", "zero3", "zero3_offload"]


def test_every_shipped_file_is_legal_and_shows_what_the_recipe_decides() -> None:
    assert sorted(path.stem for path in DS_CONFIGS.glob("*.json")) == NAMES
    for name in NAMES:
        config = read_zero(DS_CONFIGS / f"{name}.json")
        assert config["zero_optimization"]["stage"] == int(name[4])
        assert {key for key, value in config.items() if value == "auto"} >= {
            "gradient_clipping",
            "bf16",
            "train_batch_size",
        }


def refusal(tmp_path: Path, config: object) -> str:
    path = tmp_path / "mine.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(BadStudy) as caught:
        read_zero(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


TYPICAL = [("optimizer", {"type": "Adam"}), ("fp16", {"enabled": True}), ("bf16", None)]


@pytest.mark.parametrize(("key", "value"), [(key, 1) for key in DECIDED] + TYPICAL)
def test_what_the_recipe_decides_is_refused(key: str, value: object, tmp_path: Path) -> None:
    text = refusal(tmp_path, {"zero_optimization": {"stage": 1}, key: value})
    assert f"{key}: found {json.dumps(value)}" in text and DECIDED[key] in text and 'write "auto"' in text


@pytest.mark.parametrize(
    "key", ["curriculum_learning", "sparse_attention", "zero_optimisation", "data_efficiency", "compression_training"]
)
def test_unknown_keys_are_refused(key: str, tmp_path: Path) -> None:
    assert f"{key}: not a matter of memory" in refusal(tmp_path, {"zero_optimization": {"stage": 1}, key: {}})


@pytest.mark.parametrize(
    "key", ["zero_quantized_gradients", "zero_quantized_weights", "zenflow", "load_from_fp32_weights"]
)
def test_what_changes_numbers_inside_zero_is_refused(key: str, tmp_path: Path) -> None:
    assert f"zero_optimization.{key}: may change a number" in refusal(
        tmp_path, {"zero_optimization": {"stage": 3, key: True}}
    )


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, "found null"),
        ([], "found []"),
        ({"zero_optimization": True}, "found true"),
        ({"zero_optimization": {"stage": 4}}, "stage"),
        ({"zero_optimization": {"stage": True}}, "stage"),
        ({"zero_optimization": {"stage": 3, "reduce_bucket_size": "auto"}}, 'found "auto"'),
        ({"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}, "nvme"),
        (
            {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu", "super_offload": True}}},
            "super_offload",
        ),
        ('{"zero_optimization": {"stage": 1, "stage": 3}}', "stage: the key is given twice"),
        ("{", "not JSON"),
    ],
)
def test_malformed_files_are_refused(config: object, found: str, tmp_path: Path) -> None:
    assert found in refusal(tmp_path, config)


def test_a_missing_file_lists_those_there_are() -> None:
    with pytest.raises(BadStudy, match="legal: zero0, zero1, zero2, zero3, zero3_offload"):
        read_zero(DS_CONFIGS / "zero9.json")


@pytest.mark.parametrize(("num_ranks", "accumulation"), [(1, 64), (2, 32), (3, 22), (16, 4), (100, 1)])
def test_batches_are_a_product_that_covers_the_recipes(num_ranks: int, accumulation: int) -> None:
    got = resolve(read_zero(DS_CONFIGS / "zero3.json"), Recipe(global_batch=64), num_ranks)
    assert (got["train_micro_batch_size_per_gpu"], got["gradient_accumulation_steps"]) == (1, accumulation)
    assert got["train_batch_size"] == accumulation * num_ranks >= 64
    assert "auto" not in json.dumps(got) and got["zero_optimization"]["stage"] == 3


def test_numbers_follow_from_the_recipe() -> None:
    zero = {"zero_optimization": {"stage": 1}, "wall_clock_breakdown": True}
    got = resolve(zero, Recipe(clip_norm=0.3, precision="bf16"), 1)
    assert got["gradient_clipping"] == 0.3 and got["bf16"] == {"enabled": True} and got["wall_clock_breakdown"] is True
    assert got["data_types"] == {"grad_accum_dtype": "fp32"} and got["communication_data_type"] == "fp32"
    assert resolve(zero, Recipe(precision="fp32"), 1)["bf16"] == {"enabled": False}
    with pytest.raises(BadStudy, match="use zero1"):
        resolve({"zero_optimization": {"stage": 0}}, Recipe(precision="bf16"), 1)
