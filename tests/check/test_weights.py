"""What headers alone tell of a checkpoint: the same as loading it, for every family; faults by name; loading never
draws a weight.
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.check.made import FAMILIES, family, toy, without
from winsweep.errors import BadData
from winsweep.generate.model_cache import load
from winsweep.text.context import context_of
from winsweep.text.weights import load_whole, read_report


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_headers_say_what_loading_says(name, tmp_path):
    config = AutoConfig.from_pretrained(family(name, tmp_path))
    whole = read_report(tmp_path, config)
    assert (whole.missing, whole.wrong, whole.unexpected) == (
        (),
        (),
        (),
    ) and whole.num_parameters == AutoModelForCausalLM.from_pretrained(tmp_path).num_parameters()
    weights = load_file(tmp_path / "model.safetensors")
    gone, bent = [n for n in sorted(weights) if "layernorm" not in n and weights[n].dim() > 1][-2:]
    weights[bent] = torch.zeros(
        weights.pop(gone).shape[0] + 1, *weights[bent].shape[1:] if weights[bent].dim() > 1 else ()
    )
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = read_report(tmp_path, config)
    assert found.missing or found.wrong
    with pytest.raises(BadData, match="legal is a base model with all of its weights"):
        load_whole(tmp_path, None, torch.float32)


@pytest.mark.parametrize(
    ("name", "context"),
    [("llama", 64), ("gpt2", 64), ("gemma3", 64), ("mpt", 64), ("opt", 64), ("bloom", None), ("mamba", None)],
)
def test_the_context_of_any_family(name, context):
    assert context_of(AutoConfig.for_model(name, **FAMILIES[name])) == context


def test_files_that_are_cut_short_or_not_there_are_named(tmp_path):
    folder = family("llama", tmp_path / "m", shard="20KB")
    shards = sorted(folder.glob("*.safetensors"))
    config = AutoConfig.from_pretrained(folder)
    assert len(shards) > 1 and not read_report(folder, config).missing
    data = shards[0].read_bytes()
    for cut in (len(data) - 1, 4, 0):
        shards[0].write_bytes(data[:cut])
        with pytest.raises(BadData, match=f"{shards[0].name}: cannot be read .*fetch the model again"):
            read_report(folder, config)
    shards[0].unlink()
    with pytest.raises(BadData, match=f"{shards[0].name} not there, which model.safetensors.index.json names"):
        read_report(folder, config)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    with pytest.raises(BadData, match="not there, which"):
        read_report(folder, config)


def test_pickled_weights_are_looked_at_without_running_them(tmp_path):
    config = AutoConfig.from_pretrained(family("llama", tmp_path))
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    weights.pop("model.norm.weight")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    assert read_report(tmp_path, config).missing == ("model.norm.weight",)
    torch.save({"x": print}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadData, match="legal are weights without code"):
        read_report(tmp_path, config)


def test_an_untrained_model_without_a_weight_writes_no_answer(tmp_path):
    folder = without(toy(tmp_path / "m"), "model.layers.1.mlp.down_proj.weight")
    with pytest.raises(BadData, match=r"has no weights for model.layers.1.mlp.down_proj.weight"):
        load(str(folder), None, "fp32")
