"""A base model is used whole: what its files hold and its config.json leaves out is refused, where loading warns."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from tests.check.made import FAMILIES, family, problems, toy
from winsweep.errors import BadData
from winsweep.generate.model_cache import load
from winsweep.text.weights import load_whole, read_report

LAYERS = {"gpt2": "n_layer", "bloom": "n_layer", "mpt": "n_layers"}


def edited(folder, **said):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | said))
    return folder


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"gemma3"}))
def test_a_configuration_with_fewer_layers_than_the_files_is_refused(name, tmp_path):
    folder = family(name, tmp_path / "m")
    kinds = json.loads((folder / "config.json").read_bytes()).get("layer_types")
    edited(folder, **{LAYERS.get(name, "num_hidden_layers"): 1}, **({"layer_types": kinds[:1]} if kinds else {}))
    with pytest.raises(BadData, match=r"m: its config.json makes no use of \d+ weights of its layers, such as .*\.1\."):
        read_report(folder, AutoConfig.from_pretrained(folder))
    with pytest.raises(BadData, match=r"m: its config.json makes no use of \d+ weights of its layers, such as .*\.1\."):
        load_whole(folder, None, torch.float32)


@pytest.mark.parametrize(
    ("of", "made_with", "said", "num"),
    [
        ("llama", {"attention_bias": True}, {"attention_bias": False}, 8),
        ("qwen2", {}, {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, 6),
        ("qwen3", {}, {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, 4),
        ("mixtral", {}, {"num_local_experts": 3}, 0),
    ],
)
def test_a_configuration_of_another_family_is_refused(of, made_with, said, num, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, of, FAMILIES[of] | made_with)
    told = problems(edited(family(of, tmp_path / "m"), **said))
    assert f"its config.json makes no use of {num} weights of its layers" in told or (not num and "of shape" in told)


def test_a_toy_model_cut_short_writes_no_answer_and_the_dry_run_says_what_to_do(tmp_path):
    folder = toy(tmp_path / "m", num_hidden_layers=1)
    assert "legal is the config.json that belongs to these weights; fetch the model again" in problems(folder)
    with pytest.raises(BadData, match="makes no use of 9 weights of its layers"):
        load(str(folder), None, "fp32")


def test_what_belongs_to_no_layer_is_no_mistake(tmp_path):
    """Buffers that older versions saved, heads of another use, and parts that only another class runs."""
    folder = toy(tmp_path / "m")
    path = folder / "model.safetensors"
    mask = torch.ones(1, 1, 4, 4)
    beside = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
        "model.layers.0.self_attn.bias": mask,
        "model.layers.0.self_attn.masked_bias": torch.tensor(-1e4),
        "v_head.summary.weight": torch.ones(1, 8),
        "vision_tower.encoder.layers.0.mlp.weight": torch.ones(8, 8),
        "mtp.layers.0.mlp.weight": torch.ones(8, 8),
    }
    save_file(load_file(path) | beside, path, metadata={"format": "pt"})
    assert problems(folder) == ""
    load_whole(folder, None, torch.float32)
