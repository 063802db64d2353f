"""A collected model has the names and shapes of its base's own files, whatever transformers calls its tensors inside;
differences are named.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    Qwen3MoeConfig,
)

from tests.train.world import VOCAB, World
from winsweep.errors import Incomplete
from winsweep.study.recipe import Recipe
from winsweep.text.weights import BASE_NAMES, base_tensors, tensors_of
from winsweep.train.collect import collect

RECIPE = Recipe(lr=1e-3, epochs=1, global_batch=11, precision="fp32")
IDS = dict(vocab_size=VOCAB, bos_token_id=1, eos_token_id=2, pad_token_id=0)
SMALL = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    **IDS,
)
VISION = dict(
    hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
)
MODELS = {
    "llama": lambda: LlamaConfig(**SMALL, tie_word_embeddings=True),
    "gpt2": lambda: GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, **IDS),
    "qwen3_moe": lambda: Qwen3MoeConfig(
        **SMALL,
        head_dim=8,
        moe_intermediate_size=16,
        num_experts=4,
        num_experts_per_tok=2,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        tie_word_embeddings=False,
    ),
    "mixtral": lambda: MixtralConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2),
    "gemma3": lambda: Gemma3Config(
        text_config=SMALL | {"head_dim": 8, "sliding_window": 32},
        vision_config=VISION,
        mm_tokens_per_image=4,
        image_token_index=5,
        boi_token_index=6,
        eoi_token_index=7,
        **IDS,
    ),
}


def base_of(kind: str, folder: Path) -> Path:
    torch.manual_seed(0)
    made = (
        Gemma3ForConditionalGeneration(MODELS[kind]())
        if kind == "gemma3"
        else AutoModelForCausalLM.from_config(MODELS[kind]())
    )
    made.save_pretrained(folder)
    return folder


def trained(base: Path, root: Path) -> Path:
    """A finetune's output, with what surrounds the weights; the tokenizer is no part of this."""
    world = World(root, base, "zero1", 1, RECIPE, micro_tokens=100).done()
    (world.out / "hf").mkdir()
    for name in ("config.json", "generation_config.json"):
        (world.out / "hf" / name).write_bytes((base / name).read_bytes())
    (world.out / "hf" / BASE_NAMES).write_text(json.dumps(base_tensors(str(base), None)))
    return world.out


@pytest.mark.parametrize("kind", MODELS)
def test_names_and_shapes_are_those_of_the_base_s_files(kind, tmp_path):
    base = base_of(kind, tmp_path / "base")
    (tmp_path / "model").mkdir()
    done, _ = collect(trained(base, tmp_path / "run"), tmp_path / "model")
    assert tensors_of(tmp_path / "model") == tensors_of(base) and not done.keys() & {
        "tensors_not_as_in_base",
        "tensors_of_base_not_saved",
    }
    before, after = load_file(base / "model.safetensors"), load_file(tmp_path / "model/model.safetensors")
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved and not (tmp_path / "model" / BASE_NAMES).exists()


def test_what_differs_from_the_base_is_named(tmp_path, capsys):
    """A base whose file keeps its tied head apart, and a tensor that nothing reads."""
    base = base_of("llama", tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    save_file(
        weights | {"old.inv_freq": torch.ones(3), "lm_head.weight": weights["model.embed_tokens.weight"].clone()},
        base / "model.safetensors",
        metadata={"format": "pt"},
    )
    (tmp_path / "model").mkdir()
    done, _ = collect(trained(base, tmp_path / "run"), tmp_path / "model")
    assert (
        done["tensors_of_base_not_saved"] == ["lm_head.weight", "old.inv_freq"] and "tensors_not_as_in_base" not in done
    )
    assert "tensors of base not saved: lm_head.weight, old.inv_freq" in capsys.readouterr().out


def test_weights_that_are_not_the_configuration_s_are_refused(tmp_path):
    base = base_of("llama", tmp_path / "base")
    done = trained(base, tmp_path / "run")
    told = json.loads((done / "hf/config.json").read_text()) | {"num_hidden_layers": 3}
    (done / "hf/config.json").write_text(json.dumps(told))
    (tmp_path / "model").mkdir()
    with pytest.raises(Incomplete, match=r"the trained weights are not those of its configuration: model.layers.2"):
        collect(done, tmp_path / "model")
