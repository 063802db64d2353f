"""Whether a model's weights are all there in the shapes its configuration says: by headers, and as it is loaded."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from winsweep.errors import BadData
from winsweep.store.indexes import is_name, names_in
from winsweep.study.cell import HubModel
from winsweep.text import hub, number_check
from winsweep.text.whole_model import refuse_adapters, refuse_unused

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"  # the first that is there is what transformers reads
MOST_HEADER = 100_000_000  # bytes, safetensors' own limit
SHOWN, ONCE = 3, "each tensor in one file of weights is legal; fetch the model again"
BASE_NAMES = "base_tensors.json"  # beside a finetune's weights: names and shapes in the base's own files


@dataclass(frozen=True)
class Report:
    """What loading a checkpoint would say of it; names are those of the module."""

    missing: tuple[str, ...]
    wrong: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # name, its shape in the file, and in the module
    unexpected: tuple[str, ...]
    num_parameters: int  # of the module, tied ones once
    num_bytes: int  # of all tensors in the files
    model: PreTrainedModel  # with shapes and no numbers


def load_whole(
    base: str | Path, revision: str | None, dtype: torch.dtype, kind: Any = AutoModelForCausalLM, **how: Any
) -> PreTrainedModel:
    """The model with every one of its weights; BadData names one that is not there or has another shape, which
    transformers would draw at random, that has NaN, or that is left over. Unreachable while the hub is away.
    """
    refuse_adapters(Path(base))
    try:
        model, report = kind.from_pretrained(
            base,
            trust_remote_code=False,
            revision=revision,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **how,
        )
    except OSError as e:
        if revision is None or e.errno is not None:
            raise
        raise hub.refused(e, str(base), revision) from e  # in transformers' words, which have no number
    except SafetensorError as e:
        raise BadData(f"{base}: its weights cannot be read ({e}); legal are whole files; fetch the model again") from e
    except RuntimeError as e:  # ZeRO stage 3 compares shapes by itself
        if "size mismatch" not in str(e):
            raise
        raise BadData(
            f"{base}: {' '.join(str(e).split())[:400]}; legal are weights of the shapes that its configuration makes; "
            f"fetch it again"
        ) from e
    refuse(base, report["missing_keys"], report["mismatched_keys"])
    refuse_unused(base, model, report["unexpected_keys"])
    number_check.refuse_weights(Path(base) / how.get("gguf_file", ""), model)
    return model


def refuse(base: str | Path, missing: Iterable[str], wrong: Iterable[tuple]) -> None:
    if missing or wrong:
        raise BadData(
            f"{base}: {lacks(tuple(sorted(missing)), tuple(sorted(wrong)))}; legal is a base model with all of its "
            f"weights; fetch it "
            "again, or check path:, hf_id: and revision:"
        )


def lacks(missing: tuple[str, ...], wrong: tuple[tuple, ...]) -> str:
    """What is wrong with weights, in words; no text if nothing is."""
    absent = [f"has no weights for {_some(missing)}"] if missing else []
    other = [
        f"has {name} of shape {list(found)} where its configuration makes {list(wanted)}"
        for name, found, wanted in wrong[:SHOWN]
    ]
    return ", and ".join(
        absent + other + ([f"{len(wrong) - SHOWN} more of other shapes"] if len(wrong) > SHOWN else [])
    )


def read_report(folder: Path, config: PreTrainedConfig, kind: Any = AutoModelForCausalLM) -> Report:
    """transformers' own loading of the checkpoint in `folder`, of which it is given names, types and shapes but no
    numbers.

    BadData for files that are cut short, not there, or no weights, for quantized ones that nothing says how to read,
    and for weights of layers that the configuration does not make.
    """
    refuse_adapters(folder)
    found = read_shapes(folder)
    with torch.device("meta"):
        made = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    model, said = load_shapes(type(made), config, found, torch.bfloat16)
    number_check.refuse_types(folder, found, said["unexpected_keys"], config)
    refuse_unused(folder, model, said["unexpected_keys"])
    wrong = tuple(sorted((name, tuple(a), tuple(b)) for name, a, b in said["mismatched_keys"]))
    return Report(
        tuple(sorted(said["missing_keys"])),
        wrong,
        tuple(sorted(said["unexpected_keys"])),
        sum(p.numel() for p in made.parameters()),
        sum(t.numel() * t.itemsize for t in found.values()),
        model,
    )


def load_shapes(
    kind: type[PreTrainedModel], config: PreTrainedConfig, found: Mapping[str, Tensor], dtype: torch.dtype
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """transformers' own loading of tensors on the meta device, by their names in a file: the model, and its report."""
    return kind.from_pretrained(
        None,
        config=config,
        state_dict=dict(found),
        device_map={"": "meta"},
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )


def base_tensors(base: str, revision: str | None) -> dict[str, list[int]]:
    """Name to shape of every tensor in a model's own files; nothing where they cannot be read."""
    try:
        return tensors_of(Path(base) if Path(base).is_dir() else hub.folder_of(HubModel(base, revision or "main")))
    except BadData:
        return {}


def tensors_of(folder: Path) -> dict[str, list[int]]:
    """Name to shape of every tensor of the checkpoint in `folder`."""
    return {name: list(tensor.shape) for name, tensor in read_shapes(folder).items()}


def weight_files(folder: Path) -> list[Path]:
    """The files of safetensors of the checkpoint in `folder`."""
    return _files(folder, SAFE)


def read_shapes(folder: Path) -> dict[str, Tensor]:
    """Every tensor of the checkpoint in `folder`, on the meta device: nothing but headers is read."""
    for name, read in ((SAFE, shapes_in), (PICKLED, _pickled)):
        if files := _files(folder, name):
            return _joined((file, read(file)) for file in files)
    raise BadData(
        f"{folder}: has no weights; legal are {SAFE} or {PICKLED}, whole or in shards with their index; fetch the "
        f"model again"
    )


def _joined(shards: Iterable[tuple[Path, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """The tensors of all shards; BadData names one that two have, of which loading would take the last."""
    found: dict[str, Tensor] = {}
    for file, tensors in shards:
        if twice := sorted(found.keys() & tensors.keys()):
            raise BadData(f"{file}: has {_some(tuple(twice))}, which another shard has, too; {ONCE}")
        found |= tensors
    return found


def _files(folder: Path, name: str) -> list[Path]:
    """The files that hold the weights `name`; BadData where an index names one that is not there."""
    if (folder / name).exists():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.exists():
        return []
    shards = names_in(index)
    if not shards:
        raise BadData(f"{index}: names no file; legal is the index of the weights; fetch the model again")
    lost = [s for s in shards if not is_name(s) or not (folder / s).exists()]
    if lost:
        raise BadData(
            f"{folder}: {_some(tuple(lost))} not there, which {index.name} names; legal are all {len(shards)} shards; "
            f"fetch the model again"
        )
    return [folder / s for s in shards]


def shapes_in(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file of safetensors, on the meta device. BadData for a file that is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118  # it is no dict
            return {
                key: torch.empty(s.get_shape(), dtype=DTYPES.get(s.get_dtype(), torch.float32), device="meta")
                for key, s in slices.items()
            }
    except (SafetensorError, OSError) as e:
        found, whole = path.stat().st_size, _whole(path)
        told = f"found {found:,} bytes of {whole:,}" if whole and whole != found else f"{found:,} bytes"
        raise BadData(f"{path}: cannot be read ({e}; {told}); legal is a whole file; fetch the model again") from e


def _whole(path: Path) -> int:
    """How many bytes a file of safetensors should have by its own header; 0 if that is not whole."""
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            told = json.loads(file.read(min(size, MOST_HEADER)))
        return 8 + size + max(part["data_offsets"][1] for name, part in told.items() if name != "__metadata__")
    except (ValueError, LookupError, AttributeError, TypeError, OSError, RecursionError):
        return 0


def _pickled(path: Path) -> Mapping[str, Tensor]:
    try:
        return torch.load(path, map_location="meta", weights_only=True, mmap=True)
    except Exception as e:  # of a file of others, whatever it holds
        raise BadData(
            f"{path}: cannot be read ({type(e).__name__}); legal are weights without code; fetch the model again"
        ) from e


DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "C64": torch.complex64,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
