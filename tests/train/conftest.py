"""The tiny base models that the training tests share, and runs of them that can be killed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.train.killed import RECIPE
from tests.train.world import VOCAB, World
from winsweep.study.recipe import Recipe

torch.set_num_threads(1)  # a parent with a pool of threads must not fork


def _model(root: Path, tied: bool) -> Path:
    torch.manual_seed(0)
    shape = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
    )
    config = LlamaConfig(
        **shape, vocab_size=VOCAB, max_position_embeddings=64, tie_word_embeddings=tied, attention_dropout=0.1
    )
    LlamaForCausalLM(config).save_pretrained(root)
    return root


@pytest.fixture(scope="session")
def dropout_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _model(tmp_path_factory.mktemp("dropout"), tied=False)


@pytest.fixture(scope="session")
def tied_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _without_dropout(_model(tmp_path_factory.mktemp("tied"), tied=True))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _without_dropout(_model(tmp_path_factory.mktemp("plain"), tied=False))


def _without_dropout(root: Path) -> Path:
    config = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps(config | {"attention_dropout": 0.0}))
    return root


@pytest.fixture
def new_world(tmp_path: Path, dropout_model: Path) -> Callable[..., World]:
    def build(
        name: str, zero: str = "zero1", num_ranks: int = 2, recipe: Recipe = RECIPE, behind: bool = False
    ) -> World:
        return World(
            tmp_path / name,
            dropout_model,
            zero,
            num_ranks,
            recipe,
            micro_tokens=28,
            checkpoint_steps=3,
            checkpoint_behind=behind,
        )

    return build
