"""The model that this process has in memory: one, kept between the generations of a task that share it."""

import gc
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from winsweep.text import number_check
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.model import load_tokenizer
from winsweep.text.weights import load_whole
from winsweep.train import quantization
from winsweep.train.lora import wear

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_held: dict[Hashable, Any] = {}


def held(asked: Hashable, make: Callable[[], Any]) -> Any:
    """What was made the last time, if the same was asked for; what another ask was given goes first, as there may be no
    room for two.
    """
    if asked not in _held:
        forget()
        _held[asked] = make()
    return _held[asked]


def forget() -> None:
    """Let go what is held."""
    _held.clear()
    gc.collect()


def load(
    base: str, revision: str | None, precision: str, rank: int = 0, lora: Path | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer, ready to generate, on the GPU of this rank if there is one; those of the last call, if it
    asked for the same.

    With the adapters of the directory `lora` and the tokenizer there: a model serves one set of them after the other,
    in 4 bits where they were trained on it so.

    The model's own generation settings are dropped: some ship a repetition penalty, and early OLMo another token as
    EOS.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(rank % torch.cuda.device_count())
    asked = (base, revision, precision, quantization.is_noted(lora))
    model, tokenizer = held(asked, lambda: _load(*asked))
    wear(model, lora)
    return model, load_tokenizer(str(lora), None) if lora else tokenizer


def _load(
    base: str, revision: str | None, precision: str, in_4_bits: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = load_tokenizer(base, revision)  # first, as it says what to do where the hub refuses
    refuse_outside_weights(base, revision)
    model = (quantization.load if in_4_bits else load_whole)(base, revision, DTYPES[precision])
    model.generation_config = GenerationConfig()
    number_check.refuse_outputs(base, model := model.to(device).eval())
    return model, tokenizer
