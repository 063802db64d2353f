"""Everything winsweep knows about bitsandbytes: how a base is loaded in 4 bits (NF4, its scales quantized again), and
which numbers its weights then are.

Dettmers et al. 2023, arXiv 2305.14314, section 3.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoConfig, BitsAndBytesConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from winsweep.errors import BadStudy
from winsweep.text.weights import load_whole

FILE = "quantization_config.json"  # beside adapters whose base was in 4 bits: what transformers' own class is made of
NF4 = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
}
LEGAL = (
    "legal are bitsandbytes beside winsweep, and a base as it is; type pip install bitsandbytes, or take quantize: out"
)


def load(base: str | Path, revision: str | None, dtype: torch.dtype) -> PreTrainedModel:
    """The model with its linear modules in 4 bits, all but the output layer, and the rest in `dtype`, in which it
    computes; on this process's GPU, if there is one.

    The 4 bits are of the weights as their files have them, whatever `dtype` is. BadStudy where bitsandbytes is not
    there or cannot do it on this machine, or where the files are quantized already; BadData as of load_whole.
    """
    _refuse(base, revision)
    how = BitsAndBytesConfig(**NF4, bnb_4bit_compute_dtype=dtype)
    model = load_whole(base, revision, torch.float32, quantization_config=how)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    for _, module in modules(model):
        module.weight.quant_state.dtype = dtype
        module.support_avx512bf16_for_cpu = False  # its layout rounds scales, in place, as soon as nothing is trained
    model.config.dtype = dtype
    return model


def _refuse(base: str | Path, revision: str | None) -> None:
    try:
        importlib.import_module("bitsandbytes")
    except (ImportError, OSError) as e:
        raise BadStudy(f"recipe.lora.quantize: found nf4, which this Python cannot do ({e}); {LEGAL}") from e
    if getattr(AutoConfig.from_pretrained(base, revision=revision), "quantization_config", None):
        raise BadStudy(
            f"recipe.lora.quantize: found nf4, and {base} is quantized already; legal is a base in 16 or 32 bits; name "
            "the one that it was made of"
        )
    if not torch.cuda.is_available():
        print("a base in 4 bits on a CPU: right, and slow; it is meant for GPUs", file=sys.stderr, flush=True)


def modules(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Every module in 4 bits, by name."""
    from bitsandbytes.nn import Linear4bit

    return ((name, module) for name, module in model.named_modules() if isinstance(module, Linear4bit))


@torch.no_grad()
def give_numbers(quantized: PreTrainedModel, model: PreTrainedModel) -> None:
    """Make the weights of `model`, the same without 4 bits, the numbers that those of `quantized` stand for."""
    from bitsandbytes.functional import dequantize_4bit

    for name, module in modules(quantized):
        weight = dequantize_4bit(module.weight.data, module.weight.quant_state)
        into = model.get_submodule(name)
        into.weight.copy_(weight.T if isinstance(into, Conv1D) else weight)


def note(folder: Path) -> None:
    """Say beside adapters that their base was in 4 bits."""
    (folder / FILE).write_text(json.dumps(NF4, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def is_noted(folder: Path | None) -> bool:
    """Whether the adapters of a directory, if there is one, were trained on a base in 4 bits."""
    return folder is not None and (folder / FILE).is_file()
