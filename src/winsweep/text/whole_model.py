"""Whether a directory that is named as a base model holds a whole one, of which all is used, and not what is put on
one.
"""

import re
from collections.abc import Collection
from pathlib import Path

from transformers import PreTrainedModel

from winsweep.errors import BadData

ADAPTERS = "adapter_config.json"  # peft's
IN_LIST = re.compile(r"(.*?\.)\d+\.")  # up to the first number: one of a list of layers, experts, …


def refuse_adapters(folder: Path) -> None:
    """BadData for a directory of adapters, also beside whole weights: transformers would put them on the model, and
    other engines would not.
    """
    if (folder / ADAPTERS).exists():
        raise BadData(
            f"{folder / ADAPTERS}: found adapters; legal is a whole model; merge them first (peft's merge_and_unload, "
            f"then save_pretrained to another directory), or remove the file to use the weights beside it alone"
        )


def refuse_unused(base: str | Path, model: PreTrainedModel, unused: Collection[str]) -> None:
    """BadData names weights in the files that belong to the model's layers, or to more of these than it has: by a
    config.json of another model it would run without them.
    """
    if getattr(model.config, "quantization_config", None):
        return
    inside = f"{model.base_model_prefix}."
    made = {name.removeprefix(inside) for name in model.state_dict()}
    beside = {name.removeprefix(inside): name for name in unused}
    lists = {of[1] for name in made if (of := IN_LIST.match(name))}
    lost = [
        told
        for name, told in sorted(beside.items())
        if (of := IN_LIST.match(name)) and of[1] in lists and _is_weight(name, made | beside.keys())
    ]
    if lost:
        raise BadData(
            f"{base}: its config.json makes no use of {len(lost)} weights of its layers, such as {lost[0]}; legal is "
            f"the config.json that belongs to these weights; fetch the model again, or correct num_hidden_layers, "
            f"model_type, or what says which parts have a bias"
        )


def _is_weight(name: str, all_names: Collection[str]) -> bool:
    """Not a buffer, such as a mask, which some families call bias, too."""
    return name.endswith(".weight") or (name.endswith(".bias") and f"{name.removesuffix('.bias')}.weight" in all_names)
