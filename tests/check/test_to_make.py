"""What a dry run knows of models that are not there yet: how many tokens they may hold, and which adapters fit them."""

import re

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from tests.check.made import toy
from tests.local.conftest import TINY, Bench
from winsweep.check import fits
from winsweep.check.to_make import _of_a_layer
from winsweep.study.lora import Lora
from winsweep.study.pretrain import Pretrain
from winsweep.train.lora import linear

pytestmark = pytest.mark.slow  # of a dry run
SHORT = TINY.replace("mlp: 32}", "mlp: 32, block_tokens: 64, max_positions: 64}")
LORA = "precision: fp32, lora: {rank: 33}}"


def said(bench: Bench, code: int) -> str:
    return " ".join(bench.run("--dry-run", code=code).split())


def test_a_model_that_will_be_too_short_for_the_recipe_or_too_narrow_for_its_adapters(tmp_path):
    told = said(Bench(tmp_path, SHORT.replace("precision: fp32}", LORA)), 1)
    assert "recipe.max_tokens 128, and the model holds 64 tokens (pretrain.max_positions); legal are 64" in told
    assert "type recipe: {max_tokens: 64} at the model in the study, or pretrain: {max_positions: 128}" in told
    assert "recipe.lora.rank 33: no module that gets adapters has more than 32 rows or columns" in told
    assert "2 problems found before anything runs" in told
    told = said(Bench(tmp_path, TINY.replace("precision: fp32}", LORA.replace("33", "32"))), 0)
    assert "no problems found before anything runs" in told


def test_a_model_that_is_here_and_one_of_the_hub_that_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    toy(tmp_path / "here", max_position_embeddings=64)
    far = "{hf_id: some/model, revision: 0123456789012345678901234567890123456789, context: 100}"
    models = f"models: {{here: {{path: here}}, far: {far}}}\n"
    text = re.sub(r"models:\n.*\n", models, TINY).replace("precision: fp32}", LORA.replace("33", "401"))
    told = said(Bench(tmp_path, text), 1)
    assert "problem model here: context recipe.max_tokens 128, and the model holds 64 tokens; legal are 64" in told
    assert "problem model here: adapters recipe.lora.rank 401: no module that gets adapters has more than 400" in told
    assert "problem model far: context recipe.max_tokens 128, and the model holds 100 tokens (context: 100 in" in told


def test_the_modules_that_a_model_will_have_are_those_that_it_has():
    spec = Pretrain(width=16, layers=2, heads=2, mlp=24, vocab=300)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    there = linear(LlamaForCausalLM(LlamaConfig(vocab_size=300, **shape)))
    assert {name.split(".", 3)[3]: shape for name, shape in there.items()} == spec.linear()
    for targets, rank, wrong in (
        (("q_proj",), 17, "rank 17: no module that gets adapters has more than 16"),
        (("q_proj", "mlp.up_proj"), 24, ""),
        (("model.layers.1.self_attn.q_proj", "0.mlp.up_proj"), 24, ""),
        (("wq", "o_proj"), 1, "targets wq: no linear module of this model is called so"),
        ("all-linear", 25, "rank 25"),
    ):
        lora = Lora(rank=rank, targets=targets)
        for found in (fits.adapters(there, lora), fits.adapters(spec.linear(), _of_a_layer(lora))):
            assert (wrong in found.text) if found and wrong else not found and not wrong, targets


def test_a_context_that_a_study_gives_beside_what_its_model_will_hold():
    assert "context: 600 in the study, and 512 in pretrain.max" in str(fits.tokens(512, 600, [9], "pretrain.max"))
    assert fits.tokens(512, 128, [64, 128]) is None and fits.tokens(None, None, [9]) is None
    assert str(fits.tokens(512, 100, [64, 128], "pretrain.max_positions")).endswith("at the model in the study")
