"""The checkpoint collector: what must be true of a finished finetune before anything is generated from it."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from winsweep.errors import Incomplete, NotFinite
from winsweep.store.indexes import is_name, refuse_outside
from winsweep.text.weights import BASE_NAMES, tensors_of

NUM_NAMED = 3  # tensors that a note spells out


def collect(finetune: Path, out: Path) -> dict:
    """Fill `out` with a Hugging Face model directory made from the shards of `finetune`, whose manifest was verified
    before.

    Its tensors have the names and shapes that the base's own files have, whatever transformers calls them inside, so
    that vLLM and older transformers read them. Incomplete if steps, shards or parameters are missing; NotFinite names a
    weight with NaN or infinity. Gives counts, and where names differ from the base's.
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
        raise Incomplete(
            f"{finetune}: the shards hold {num_parameters} parameters; the model has {done['num_parameters']}"
        )
    shutil.copytree(finetune / "hf", out, dirs_exist_ok=True)
    (out / BASE_NAMES).unlink(missing_ok=True)
    filled(out, weights).save_pretrained(out, max_shard_size="5GB", save_original_format=True)
    for name in ("config.json", "generation_config.json"):  # as they were saved beside the weights
        shutil.copyfile(finetune / "hf" / name, out / name)
    check_loads(out, weights)
    return {"steps": done["steps"], "num_parameters": num_parameters, **against_base(out, finetune / "hf" / BASE_NAMES)}


def filled(folder: Path, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """The model that the configuration in `folder` describes, with these very tensors for weights."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(folder), dtype=next(iter(weights.values())).dtype
        )
    report = model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    lacking = [name for name, tensor in model.named_parameters() if tensor.is_meta]
    if lacking or report.unexpected_keys:
        raise Incomplete(
            f"{folder}: the trained weights are not those of its configuration: "
            f"{(lacking or report.unexpected_keys)[0]}; train it again"
        )
    return model


def against_base(out: Path, base_names: Path) -> dict[str, list[str]]:
    """Tensors whose name or shape is not that of the base's own files, named; nothing where all are, or where the
    base's are not known.
    """
    if not base_names.exists():
        return {}
    base, ours = json.loads(base_names.read_bytes()), tensors_of(out)
    other = sorted(name for name, shape in ours.items() if base.get(name) != shape)
    gone = sorted(base.keys() - ours.keys())
    found = {"tensors_not_as_in_base": other, "tensors_of_base_not_saved": gone}
    told = {
        what: [*names[:NUM_NAMED], *([f"{len(names)} in all"] if len(names) > NUM_NAMED else [])]
        for what, names in found.items()
        if names
    }
    for what, names in told.items():
        print(f"{what.replace('_', ' ')}: {', '.join(names)}", flush=True)
    return told


def refuse_not_finite(weights: dict[str, torch.Tensor]) -> None:
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise NotFinite(
                f"{name}: holds NaN or infinity, so the model is not published; lower recipe.lr or look at the loss in "
                f"log.jsonl"
            )


def check_loads(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """A plain from_pretrained takes every weight as it was trained and misses none."""
    refuse_outside(folder)
    dtype = next(iter(weights.values())).dtype
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    wrong = {k: v for k, v in report.items() if v}
    if wrong:
        raise Incomplete(f"{folder}: does not load as a model: {wrong}")
    changed = [
        name for name, tensor in model.named_parameters() if name in weights and not torch.equal(tensor, weights[name])
    ]
    if changed:
        raise Incomplete(
            f"{folder}: {changed[0]} loads as other numbers than were trained ({len(changed)} such weights)"
        )
