"""The model that this process has in memory: one, kept between the generations of a task that share it."""

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from winsweep.text.model import load_tokenizer

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Asked = tuple[str, str | None, str]
_held: dict[Asked, tuple[PreTrainedModel, PreTrainedTokenizerBase]] = {}


def load(base: str, revision: str | None, precision: str, rank: int = 0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer, ready to generate, on the GPU of this rank if there is one; those of the last call, if it asked for the same.

    The model's own generation settings are dropped: some ship a repetition penalty, and early OLMo another token as EOS.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(rank % torch.cuda.device_count())
    asked = (base, revision, precision)
    if asked not in _held:
        _held.clear()  # first, as there may be no room for two
        _held[asked] = _load(*asked)
    return _held[asked]


def _load(base: str, revision: str | None, precision: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = load_tokenizer(base, revision)  # first, as it says what to do where the hub refuses
    model = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=DTYPES[precision])
    model.generation_config = GenerationConfig()
    return model.to(device).eval(), tokenizer
