"""How trained weights leave the engine: safetensors shards, one written by each rank, and the index that names them.

The format: 8 bytes little-endian length, a JSON header, then each tensor's bytes (github.com/huggingface/safetensors,
README).
"""

import json
import math
import os
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from winsweep.errors import NotFinite
from winsweep.store.manifest import write_atomic
from winsweep.study.recipe import CALMER
from winsweep.train.engine import Engine, each_parameter, shapes
from winsweep.train.rank_group import RankGroup

INDEX = "model.safetensors.index.json"
CODES = {torch.float32: "F32", torch.bfloat16: "BF16"}


def write_shards(engine: Engine, out: Path, dtype: torch.dtype, group: RankGroup) -> list[str]:
    """Put the whole model into `out`, parameter i in the shard of rank i mod ranks; returns the names of the shards.

    Only one parameter is ever whole in memory. NotFinite, on all ranks, if a weight is not finite; OSError if the disk
    is full.
    """
    layout = shapes(engine)
    names = [f"model-{i + 1:05d}-of-{group.num_ranks:05d}.safetensors" for i in range(group.num_ranks)]
    owner = {name: names[i % group.num_ranks] for i, name in enumerate(layout)}
    mine = {name: shape for name, shape in layout.items() if owner[name] == names[group.rank]}
    group.agree(_write(engine, out / names[group.rank], mine, dtype))
    num_bytes = sum(map(math.prod, layout.values())) * dtype.itemsize
    index = {"metadata": {"total_size": num_bytes}, "weight_map": owner}
    group.first(lambda: write_atomic(out / INDEX, json.dumps(index, indent=1).encode()))
    return names


def _write(engine: Engine, path: Path, mine: dict[str, tuple[int, ...]], dtype: torch.dtype) -> Exception | None:
    # An error is returned, not raised: the other ranks gather with this one up to the last parameter.
    error = _error_of(lambda: path.write_bytes(_header(mine, dtype)))
    for name, tensor in each_parameter(engine):
        if name in mine and error is None:
            error = _error_of(partial(_append, path, name, tensor))
    return error or _error_of(lambda: _sync(path))


def _header(mine: dict[str, tuple[int, ...]], dtype: torch.dtype) -> bytes:
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in mine.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": CODES[dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors start on a multiple of 8
    return struct.pack("<Q", len(text)) + text


def _append(path: Path, name: str, tensor: Tensor) -> None:
    if not bool(tensor.isfinite().all()):
        raise NotFinite(f"{name}: the trained weight holds NaN or infinity; finite ones are legal; {CALMER}")
    with open(path, "ab") as file:
        file.write(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _error_of(action: Callable[[], object]) -> Exception | None:
    try:
        action()
    except (OSError, NotFinite) as error:
        return error
    return None
