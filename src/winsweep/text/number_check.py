"""Whether a base model's numbers are what it was trained to: nothing is learned from NaN, which argmax takes for the
largest number, and whole numbers are those of a quantized model, which mean nothing by themselves.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from winsweep.errors import BadData

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
NUM_TOKENS = 8
FREQUENCIES = "inv_freq"  # of rotary positions, as transformers calls them
QUANTIZED = "legal are weights in 16 or 32 bits; name the model as it was before it was quantized"
LEGAL = "finite ones are legal; fetch the model again, or name another"


def refuse_weights(base: str | Path, model: PreTrainedModel) -> None:
    """BadData names a weight with NaN or infinity (not of those that are split over ranks, or in 4 bits), or such
    frequencies of positions, which attention on a CPU makes zeros of.
    """
    for name, weight in model.named_parameters():
        if not is_finite(weight.detach()):
            raise BadData(f"{base}: its weight {name} holds NaN or infinity; {LEGAL}")
    for name, buffer in model.named_buffers():
        if name.endswith(FREQUENCIES) and not is_finite(buffer):
            raise BadData(f"{base}: its config.json makes {name} of NaN or infinity; {LEGAL}; look at rope_parameters")


def refuse_files(base: str | Path, files: Iterable[Path]) -> None:
    """The same for files of safetensors that an engine with a loader of its own reads; one tensor at a time."""
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # it is no dict
                if not is_finite(file.get_tensor(name)):
                    raise BadData(f"{base}: its weight {name} holds NaN or infinity; {LEGAL}")


def is_finite(weight: Tensor) -> bool:
    """Whether it has neither NaN nor infinity: an extreme is NaN where one number is. Needs no memory, as `isfinite`
    would.
    """
    if not weight.numel() or weight.is_meta or weight.dtype not in FLOATS:
        return True
    return all(bool(extreme.isfinite()) for extreme in torch.aminmax(weight))


def refuse_types(folder: Path, found: Mapping[str, Tensor], unused: Collection[str], config: PreTrainedConfig) -> None:
    """BadData names a weight in the files of `folder` that is no floating-point number, where the configuration does
    not say how to read it: transformers would take it as it is.
    """
    if getattr(config, "quantization_config", None):
        return
    wrong = [n for n, t in found.items() if n.endswith(".weight") and not t.is_floating_point() and n not in unused]
    is_narrow = any(t.is_floating_point() and t.dtype.itemsize == 1 for t in found.values())
    scaled = [n for n in unused if is_narrow and "scale" in n.rpartition(".")[2]]
    if wrong:
        kind = str(found[wrong[0]].dtype).removeprefix("torch.")
        raise BadData(
            f"{folder}: {len(wrong)} of its weights are no floating-point numbers, such as {wrong[0]} ({kind}), and "
            f"its config.json has no quantization_config, which says how they are read; {QUANTIZED}"
        )
    if scaled:
        raise BadData(
            f"{folder}: its weights have 8 bits and scales, such as {scaled[0]}, and its config.json has no "
            f"quantization_config, which says how they are read; {QUANTIZED}"
        )


@torch.inference_mode()
def refuse_outputs(base: str | Path, model: PreTrainedModel) -> None:
    """BadData where the model gives NaN for a few tokens, whatever its weights are: by its configuration, say."""
    num = min(NUM_TOKENS, model.config.get_text_config().vocab_size)
    found = model(torch.arange(num, device=model.device)[None], use_cache=False)
    if bool(found.logits.isnan().any()):
        raise BadData(
            f"{base}: its weights are finite, and what it makes of {num} tokens holds NaN; legal is a config.json that "
            f"fits the weights; look at its epsilon (rms_norm_eps), or fetch the model again"
        )
