"""What a finetune of adapters leaves, verified, as a directory that peft reads: `train/collect` for adapters."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from winsweep.errors import Incomplete, NotFinite
from winsweep.keys import restore
from winsweep.store.indexes import is_name
from winsweep.study.lora import Lora
from winsweep.study.recipe import CALMER
from winsweep.text.weights import BASE_NAMES
from winsweep.train import quantization
from winsweep.train.lora import WEIGHTS, attach, config_of, file_name, refuse_other, trained, write_config


def collect_adapters(finetune: Path, out: Path) -> dict:
    """Fill `out` with the adapters of `finetune`, whose manifest was verified before, and with the tokenizer and
    configuration of their model; `quantization.FILE` says so where that was in 4 bits.

    Their names and shapes are those that the model's configuration makes. Incomplete if steps, shards or parameters are
    missing; NotFinite names a parameter with NaN or infinity. Gives counts.
    """
    done, adapters = read_adapters(finetune)
    shutil.copytree(finetune / "hf", out, dirs_exist_ok=True)
    (out / BASE_NAMES).unlink(missing_ok=True)
    lora = restore(Lora, done["lora"])
    refuse_other(out, wanted(out, lora), adapters)
    save_file(adapters, out / WEIGHTS, metadata={"format": "pt"})
    modules = {name.removesuffix(".weight").rpartition(".")[0].rpartition(".")[2] for name in adapters}
    write_config(out, config_of(lora, tuple(sorted(modules)), done["base"]))
    if lora.quantize:
        quantization.note(out)
    return {"steps": done["steps"], "num_parameters": sum(tensor.numel() for tensor in adapters.values())}


def read_adapters(finetune: Path) -> tuple[dict, dict[str, Tensor]]:
    """What a finetune says of itself, and its adapters by their names in peft's files; Incomplete and NotFinite as
    above.
    """
    done = json.loads((finetune / "train.json").read_bytes())
    if done["steps"] != done["num_steps"]:
        raise Incomplete(f"{finetune}: stopped after {done['steps']} of {done['num_steps']} steps; it is never used")
    return done, {file_name(name): tensor for name, tensor in _of_shards(finetune, done["shards"]).items()}


def _of_shards(finetune: Path, shards: list[str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name in shards:
        if not is_name(name) or not (finetune / name).exists():
            raise Incomplete(f"{finetune / name}: the shard is not there; {len(shards)} were written")
        found |= load_file(finetune / name)
    for name, tensor in found.items():
        if not torch.isfinite(tensor).all():
            raise NotFinite(f"{name}: holds NaN or infinity, so the adapters are not published; {CALMER}")
    return found


def wanted(folder: Path, lora: Lora) -> dict[str, Tensor]:
    """The adapters that the configuration in `folder` makes, by their names in peft's files, without numbers."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    attach(model, lora, 0)
    return {file_name(name): p for name, p in trained(model).items()}
