"""Everything winsweep knows about peft: how a model gets adapters, wears those of a directory and takes them off again.

A directory of adapters is peft's: adapter_config.json and adapter_model.safetensors.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from winsweep.errors import BadData
from winsweep.study.lora import ALL_LINEAR, Lora, targeted

if TYPE_CHECKING:
    from peft import LoraConfig
    from peft.tuners.lora import LoraLayer

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = "default"
PREFIX = "base_model.model."  # before the names of modules, in peft's files


def attach(model: PreTrainedModel, lora: Lora, seed: int) -> None:
    """Give the targeted modules of `model` adapters in fp32, which alone are trained, as before the first step:
    B is 0, A is drawn with `seed` alone.
    """
    from peft import inject_adapter_in_model

    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(seed)
        inject_adapter_in_model(config_of(lora), model, NAME)
    for parameter in trained(model).values():
        parameter.data = parameter.data.float()


def config_of(lora: Lora, modules: tuple[str, ...] = (), base: str | None = None) -> "LoraConfig":
    """peft's configuration; `modules` stand for all-linear, `base` is the model's name on the hub."""
    from peft import LoraConfig

    targets: Any = lora.targets if lora.targets != ALL_LINEAR else modules or ALL_LINEAR
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.scale * lora.rank,
        lora_dropout=lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
        base_model_name_or_path=base,
        inference_mode=bool(modules),
    )


def trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters of `model` that are trained, by name: all, or the adapters'."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def without_base(state: dict, module: torch.nn.Module) -> dict:
    """What is saved, without weights that are not trained: DeepSpeed leaves one in by its second name where it is
    tied, and the scales of those in 4 bits, whose names begin with the weight's.
    """
    named = dict(module.named_parameters(remove_duplicate=False))
    untrained = tuple(name for name, p in named.items() if not p.requires_grad)
    if not untrained or not state.get("module"):
        return state
    of_base = {*untrained, *(key for key in state["module"] if key.startswith(tuple(f"{name}." for name in untrained)))}
    return state | {"module": {name: tensor for name, tensor in state["module"].items() if name not in of_base}}


def file_name(name: str) -> str:
    """The name that a parameter of adapters has in peft's files."""
    return PREFIX + name.replace(f".{NAME}.", ".")


def linear(model: PreTrainedModel) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every module that adapters may have, by name: linear ones but the output layer."""
    last = model.get_output_embeddings()
    shapes = {
        name: _shape(module)
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not last
    }
    return {name: (shape[0], shape[1]) for name, shape in shapes.items()}


def _shape(module: torch.nn.Module) -> tuple[int, ...]:
    """Of a weight, also where 4 bits hide it; outputs first in linear modules."""
    return (
        (module.out_features, module.in_features) if isinstance(module, torch.nn.Linear) else tuple(module.weight.shape)
    )


def num_adapted(model: PreTrainedModel, lora: Lora) -> int:
    """Parameters of adapters of `model`, which need not have any yet."""
    return sum(lora.rank * (one + other) for one, other in targeted(linear(model), lora).values())


def token_bytes(model: PreTrainedModel, lora: Lora) -> int:
    """Bytes that adapters of a model in bf16 keep of a token for the backward pass: in fp32 the input of each module,
    and what A gives.
    """
    return sum(4 * (shape[1] + lora.rank) for shape in targeted(linear(model), lora).values())


def kept_bytes(model: PreTrainedModel) -> int:
    """`token_bytes` of the adapters that a model has; 0 where it has none, or is in fp32 as they are."""
    if not hasattr(model, "peft_config") or model.dtype == torch.float32:
        return 0
    return sum(4 * (layer.in_features + layer.r[NAME]) for _, layer in layers(model))


def wear(model: PreTrainedModel, folder: Path | None) -> None:
    """Give `model` the adapters of `folder`, in fp32, in place of those that it has; none if there is no folder.

    BadData where they do not fit it.
    """
    take_off(model)
    if folder is None:
        return
    from peft import PeftConfig

    put_on(model, PeftConfig.from_pretrained(str(folder)), load_file(folder / WEIGHTS), folder)


def put_on(model: PreTrainedModel, config: "LoraConfig", weights: Mapping[str, Tensor], folder: Path) -> None:
    """Give `model` adapters by their names in peft's files, of `folder`, in fp32. BadData where they do not fit it."""
    from peft import inject_adapter_in_model

    inject_adapter_in_model(config, model, NAME)
    refuse_other(folder, {file_name(name): p for name, p in _adapters(model)}, weights)
    for name, parameter in _adapters(model):
        parameter.data = weights[file_name(name)].to(parameter.device, torch.float32)
    model.requires_grad_(False).eval()


def take_off(model: PreTrainedModel) -> None:
    """Leave `model` as it was before it had adapters."""
    if not hasattr(model, "peft_config"):
        return
    for name, layer in list(layers(model)):
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.get_base_layer())
    del model.peft_config


@torch.no_grad()
def merge(model: PreTrainedModel) -> None:
    """Add the adapters of `model` to its weights: the sum is made in fp32, then rounded once to what a weight is in."""
    for _, layer in layers(model):
        weight = layer.get_base_layer().weight
        weight.copy_(weight.float() + layer.get_delta_weight(NAME))
    take_off(model)


def layers(model: PreTrainedModel) -> Iterator[tuple[str, "LoraLayer"]]:
    """Every module that has adapters, by name."""
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer))


def refuse_other(folder: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """BadData that names a tensor which is not there, is of another shape, or which nothing has a place for."""
    for name in sorted(wanted.keys() | found.keys()):
        shapes = [list(some[name].shape) if name in some else None for some in (wanted, found)]
        if shapes[0] != shapes[1]:
            raise BadData(
                f"{folder}: {name} has shape {shapes[1]} and the model wants {shapes[0]}; legal are the adapters of "
                f"this model; train them again"
            )


def _adapters(model: PreTrainedModel) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, p) for name, p in model.named_parameters() if f".{NAME}." in name)


def write_config(folder: Path, config: "LoraConfig") -> None:
    """peft's file of a configuration, always the same for the same one."""
    told = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    (folder / CONFIG).write_text(json.dumps(told, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
