"""A file of safetensors written tensor by tensor, digested as it is written.

The format: 8 bytes little-endian length, a JSON header, then each tensor's bytes (github.com/huggingface/safetensors,
README).
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

CODES = {torch.float32: "F32", torch.bfloat16: "BF16"}  # in the library's own order: the wider type comes first


def order(layout: Mapping[str, Tensor]) -> list[str]:
    """Names as the library sorts them: by type, then by name."""
    return sorted(layout, key=lambda name: (-layout[name].itemsize, name.encode()))


def write(path: Path, layout: Mapping[str, Tensor], number: Callable[[str], Tensor]) -> dict:
    """Put tensors of the shapes and types in `layout` into a new file, with the bytes that safetensors itself would
    write, and sync it; `number` gives one at a time. Returns its entry for a manifest. OSError if the disk is full.
    """
    digest, size = hashlib.sha256(), 0
    with open(path, "xb") as file:
        for piece in chain([_header(layout)], map(number, order(layout))):
            view = memoryview(piece) if isinstance(piece, bytes) else _bytes_of(piece)
            file.write(view)
            digest.update(view)
            size += view.nbytes
        file.flush()
        os.fsync(file.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _bytes_of(tensor: Tensor) -> memoryview:
    return memoryview(tensor.contiguous().flatten().view(torch.uint8).numpy())


def _header(layout: Mapping[str, Tensor]) -> bytes:
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order(layout):
        shape, dtype = list(layout[name].shape), layout[name].dtype
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": CODES[dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
