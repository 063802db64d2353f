"""The checkpoint collector: what must be true of a finished finetune before anything is generated from it."""

import json
import shutil
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from winsweep.errors import Incomplete, NotFinite
from winsweep.store.indexes import is_name, refuse_outside


def collect(finetune: Path, out: Path) -> dict:
    """Fill `out` with a Hugging Face model directory made from the shards of `finetune`, whose manifest was verified before.

    Incomplete if steps, shards or parameters are missing; NotFinite names a weight with NaN or infinity. Gives counts.
    """
    done = json.loads((finetune / "train.json").read_bytes())
    if done["steps"] != done["num_steps"]:
        raise Incomplete(f"{finetune}: stopped after {done['steps']} of {done['num_steps']} steps; it is never used")
    weights: dict[str, torch.Tensor] = {}
    for name in done["shards"]:
        if not is_name(name) or not (finetune / name).exists():
            raise Incomplete(f"{finetune / name}: the shard is not there; {len(done['shards'])} were written")
        weights |= load_file(finetune / name)
    refuse_not_finite(weights)
    num_parameters = sum(w.numel() for w in weights.values())
    if num_parameters != done["num_parameters"]:
        raise Incomplete(f"{finetune}: the shards hold {num_parameters} parameters; the model has {done['num_parameters']}")
    shutil.copytree(finetune / "hf", out, dirs_exist_ok=True)
    save_torch_state_dict(weights, out, max_shard_size="5GB", safe_serialization=True, metadata={"format": "pt"})
    check_loads(out, weights)
    return {"steps": done["steps"], "num_parameters": num_parameters}


def refuse_not_finite(weights: dict[str, torch.Tensor]) -> None:
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise NotFinite(f"{name}: holds NaN or infinity, so the model is not published; lower recipe.lr or look at the loss in log.jsonl")


def check_loads(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """A plain from_pretrained takes every weight and misses none."""
    refuse_outside(folder)
    dtype = next(iter(weights.values())).dtype
    _, report = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    wrong = {k: v for k, v in report.items() if v}
    if wrong:
        raise Incomplete(f"{folder}: does not load as a model: {wrong}")
