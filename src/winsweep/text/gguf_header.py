"""What the header of a GGUF file says, read within bounds: its counts, its tensors and where they lie, and whether the
file holds all of that. Layout: the GGUF specification, versions 2 and 3.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from winsweep import paths
from winsweep.errors import BadData
from winsweep.screen import printable

MAGIC = b"GGUF"
LEGAL = "a whole GGUF file of version 2 or 3 is legal"
MOST_FIELDS, MOST_TENSORS, MOST_ITEMS = 10_000, 200_000, 20_000_000  # items of all lists together
MOST_TEXT = 1 << 24  # bytes of one text: chat templates have some thousands
MOST_DIMENSIONS = 4
SCALARS = dict(enumerate("B b H h I i f ?".split())) | {10: "Q", 11: "q", 12: "d"}
TEXT, LIST = 8, 9
ALIGNMENT = 32
Tensors = dict[str, tuple[tuple[int, ...], int, int]]  # shape, offset and bytes by name
T = TypeVar("T")
# what a configuration may count, each no more than the longest side of a tensor
COUNTS = (
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "expert_count",
    "vocab_size",
)


@dataclass(frozen=True)
class Header:
    """Numbers of what a file holds: tensors, and numbers in all of them together."""

    num_tensors: int
    num_parameters: int


class _Bytes:
    """A file's bytes in order; BadData where there are fewer than are asked for."""

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self.path, self.file, self.size, self.items = path, file, path.stat().st_size, 0

    def wrong(self, what: str) -> BadData:
        return BadData(f"{self.path}: {printable(what)}; {LEGAL}; fetch it again, or name another")

    def take(self, num: int, what: str) -> bytes:
        at = self.file.tell()
        if num > self.size - at:
            raise self.wrong(f"ends in {what}: {num:,} bytes wanted at byte {at:,}, and it has {self.size:,}")
        return self.file.read(num)

    def number(self, code: str, what: str) -> int:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(code), what))[0]

    def count(self, most: int, what: str) -> int:
        if (num := self.number("Q", what)) > most:
            raise self.wrong(f"{what} is {num:,}, and at most {most:,} are read")
        return num

    def text(self, what: str) -> str:
        data = self.take(self.count(MOST_TEXT, f"the length of {what}"), what)
        return data.decode("utf-8", "replace")


def read_header(path: Path) -> Header:
    """The header of a file, all of whose tensors are within it. BadData says what is wrong and where; ImportError
    without the package gguf, which knows the types of tensors.
    """
    from gguf.constants import GGML_QUANT_SIZES

    sizes = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
    try:
        with paths.opened(path, LEGAL) as file:
            return _read(_Bytes(path, file), sizes)
    except OSError as e:
        raise BadData(f"{path}: cannot be read ({e.strerror}); legal is a GGUF file; check the path") from e


def _read(data: _Bytes, sizes: dict[int, tuple[int, int]]) -> Header:
    begins = data.file.read(len(MAGIC))
    if begins != MAGIC:
        raise BadData(
            f"{data.path}: begins with {begins!r}; a GGUF file begins with {MAGIC!r}; name another, or fetch it anew"
        )
    if (version := data.number("I", "its version")) not in (2, 3):
        raise data.wrong(f"its version is {version}")
    num_tensors, num_fields = (
        data.count(MOST_TENSORS, "its number of tensors"),
        data.count(MOST_FIELDS, "its number of fields"),
    )
    fields = _unique(data, "field", num_fields, lambda name: _value(data, name))
    tensors = _unique(data, "tensor", num_tensors, lambda name: _tensor(data, name, sizes))
    alignment = fields.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise data.wrong(f"general.alignment is {alignment!r}, and no power of 2")
    start = -(-data.file.tell() // alignment) * alignment
    _refuse_outside(data, start, tensors)
    _refuse_absurd(data, fields, tensors)
    return Header(len(tensors), sum(math.prod(shape) for shape, _, _ in tensors.values()))


def _unique(data: _Bytes, what: str, num: int, read: Callable[[str], T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for at in range(num):
        name = data.text(f"the name of {what} {at + 1} of {num:,}")
        if name in found:
            raise data.wrong(f"{what} {name[:60]!r} is there twice")
        found[name] = read(name[:60])
    return found


def _value(data: _Bytes, name: str) -> object:
    kind = data.number("I", f"the type of {name}")
    if kind == TEXT:
        return data.text(f"the text of {name}")
    if kind in SCALARS:
        return data.number(SCALARS[kind], f"the number of {name}")
    if kind != LIST:
        raise data.wrong(f"field {name!r} has type {kind}, which there is not")
    inner = data.number("I", f"the type of {name}'s list")
    num = data.count(MOST_ITEMS - data.items, f"the length of {name}'s list")
    data.items += num
    if inner == TEXT:
        for _ in range(num):
            data.text(f"a text of {name}")
    elif inner in SCALARS:
        data.take(num * struct.calcsize(SCALARS[inner]), f"the list of {name}")
    else:
        raise data.wrong(f"field {name!r} is a list of type {inner}, which is not read")
    return None


def _tensor(data: _Bytes, name: str, sizes: dict[int, tuple[int, int]]) -> tuple[tuple[int, ...], int, int]:
    """Shape, offset and bytes of a tensor."""
    if not 1 <= (num := data.number("I", f"the dimensions of {name}")) <= MOST_DIMENSIONS:
        raise data.wrong(f"tensor {name!r} has {num} dimensions")
    shape = tuple(data.number("Q", f"the shape of {name}") for _ in range(num))
    kind, offset = data.number("I", f"the type of {name}"), data.number("Q", f"the offset of {name}")
    if kind not in sizes:
        raise data.wrong(f"tensor {name!r} has type {kind}, which there is not")
    block, num_bytes = sizes[kind]
    if not math.prod(shape) or shape[0] % block:
        raise data.wrong(f"tensor {name!r} has shape {list(shape)}, which is not whole blocks of {block}")
    return shape, offset, math.prod(shape) // block * num_bytes


def _refuse_outside(data: _Bytes, start: int, tensors: Tensors) -> None:
    for name, (shape, offset, num_bytes) in tensors.items():
        if start + offset + num_bytes > data.size:
            raise data.wrong(
                f"tensor {name[:60]!r} of shape {list(shape)} ends at byte {start + offset + num_bytes:,}, and the "
                f"file has {data.size:,}"
            )


def _refuse_absurd(data: _Bytes, fields: dict[str, object], tensors: Tensors) -> None:
    """What would make a model of another size than the file has: built, it would take the machine's memory."""
    kind = fields.get("general.architecture")
    if not isinstance(kind, str) or not tensors:
        raise data.wrong("it names no general.architecture" if tensors else "it has no tensors")
    side = max(max(shape) for shape, _, _ in tensors.values())
    for name, most in {"block_count": len(tensors), **dict.fromkeys(COUNTS, side)}.items():
        num = fields.get(f"{kind}.{name}", 0)
        if isinstance(num, (int, float)) and not 0 <= num <= most:
            raise data.wrong(f"{kind[:60]}.{name} is {num}, and its {len(tensors):,} tensors allow at most {most:,}")
