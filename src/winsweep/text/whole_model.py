"""Whether a directory that is named as a base model holds a whole one, and not what is put on one."""

from pathlib import Path

from winsweep.errors import BadData

ADAPTERS = "adapter_config.json"  # peft's


def refuse_adapters(folder: Path) -> None:
    """BadData for a directory of adapters, also beside whole weights: transformers would put them on the model, and
    other engines would not.
    """
    if (folder / ADAPTERS).exists():
        raise BadData(
            f"{folder / ADAPTERS}: found adapters; legal is a whole model; merge them first (peft's merge_and_unload, "
            f"then save_pretrained to another directory), or remove the file to use the weights beside it alone"
        )
