"""Numbers of a base model that are none: NaN in weights or from its configuration, and weights of a quantized model."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.check.made import family, problems, toy
from winsweep.errors import BadData
from winsweep.generate.model_cache import forget, load
from winsweep.text import number_check
from winsweep.text.weights import load_whole, weight_files

DOWN = "model.layers.1.mlp.down_proj.weight"


def changed(folder, change):
    path = folder / "model.safetensors"
    save_file({name: change(name, w) for name, w in load_file(path).items()}, path, metadata={"format": "pt"})
    return folder


def edited(folder, **said):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | said))
    return folder


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_named_and_writes_no_answer(number, tmp_path):
    def one(name, weight):
        if name == DOWN:
            weight[3, 3] = number
        return weight

    folder = changed(toy(tmp_path / "m"), one)
    for read in (
        lambda: load_whole(folder, None, torch.float32),
        lambda: load(str(folder), None, "fp32"),
        lambda: number_check.refuse_files(folder, weight_files(folder)),
    ):
        with pytest.raises(BadData, match=rf"m: its weight {DOWN} holds NaN or infinity; finite ones are legal; fetch"):
            read()


def test_whole_files_are_finite_shard_by_shard(tmp_path):
    folder = family("llama", tmp_path / "m", shard="20KB")
    assert len(weight_files(folder)) > 1
    number_check.refuse_files(folder, weight_files(folder))
    last = weight_files(folder)[-1]
    save_file({name: w * float("nan") for name, w in load_file(last).items()}, last, metadata={"format": "pt"})
    with pytest.raises(BadData, match="holds NaN or infinity"):
        number_check.refuse_files(folder, weight_files(folder))


ROPE = {"rope_type": "default"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"rms_norm_eps": float("nan")}, "its weights are finite, and what it makes of 8 tokens holds NaN; legal is"),
        ({"rope_parameters": ROPE | {"rope_theta": float("nan")}}, "its config.json makes .*inv_freq of NaN or infin"),
        ({"rope_parameters": ROPE | {"rope_theta": 0.0}}, "its config.json makes .*inv_freq .*look at rope_parameters"),
    ],
    ids=str,
)
def test_a_configuration_that_makes_no_numbers_writes_no_answer(said, told, tmp_path):
    forget()
    with pytest.raises(BadData, match=told):
        load(str(edited(toy(tmp_path / "m"), **said)), None, "fp32")


@pytest.mark.parametrize(("kind", "word"), [(torch.int8, "int8"), (torch.bool, "bool"), (torch.complex64, "complex64")])
def test_weights_that_are_no_floating_point_numbers_are_named(kind, word, tmp_path):
    folder = changed(toy(tmp_path / "m"), lambda name, w: (w.float() * 50).to(kind) if name == DOWN else w)
    told = problems(folder)
    assert f"1 of its weights are no floating-point numbers, such as {DOWN} ({word})" in told
    assert "name the model as it was before it was quantized" in told


def test_8_bits_with_scales_that_nobody_reads_are_told_and_without_them_are_numbers(tmp_path):
    def narrow(name, w):
        return w.to(torch.float8_e4m3fn)

    assert problems(changed(toy(tmp_path / "a"), narrow)) == ""
    folder = changed(toy(tmp_path / "b"), narrow)
    found = load_file(folder / "model.safetensors")
    save_file(found | {DOWN + "_scale": torch.ones(1)}, folder / "model.safetensors", metadata={"format": "pt"})
    assert f"its weights have 8 bits and scales, such as {DOWN}_scale, and its config.json has no" in problems(folder)


def test_what_a_library_says_of_a_configuration_has_what_to_do(tmp_path):
    told = problems(edited(toy(tmp_path / "m"), hidden_act="nonsense"))
    assert "weights: KeyError: 'nonsense'; legal is a config.json of a causal language model" in told
