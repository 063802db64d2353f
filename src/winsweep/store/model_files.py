"""What a model directory of somebody else's may hold: files that end, small ones where they are read whole, and a
configuration that asks for no code of its author's, for no memory without end, and for what winsweep can read.
"""

import fnmatch
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from winsweep.errors import BadData

MOST_BYTES = 256 << 20  # of a tokenizer, the largest of what is read whole; those of 262,144 tokens have 35 MB
MOST_CONFIG = 16 << 20
CONFIGS = ("config.json", "generation_config.json", "adapter_config.json")
SMALL = (
    *CONFIGS,
    "*.index*.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template*",
    "modules.json",
)
MOST_PARTS = 2048
PARTS = re.compile(r"(layers?|experts|heads|blocks|labels)$")  # ends of names of numbers of what is made one by one
KERNELS = ("attn_implementation", "experts_implementation")  # ends of names whose value may be code of the hub's


def refuse(folder: Path) -> None:
    """BadData for a pipe, a device, a link to either, a small file that is large, and for a configuration that names
    kernels of a hub's repository, which transformers would fetch and run, or that is as in refuse_config.
    """
    for path in sorted(folder.rglob("*")):
        try:
            known = path.stat()
        except OSError:  # a link to nothing is no file: whoever needs it says so
            continue
        if not stat.S_ISREG(known.st_mode) and not stat.S_ISDIR(known.st_mode):
            raise BadData(f"{path}: found a pipe or a device; legal in a model are files; remove it")
        most = MOST_CONFIG if path.name in CONFIGS else MOST_BYTES
        if known.st_size > most and any(fnmatch.fnmatch(path.name, name) for name in SMALL):
            raise BadData(
                f"{path}: found {known.st_size:,} bytes; at most {most:,} are legal in such a file; fetch the model "
                f"again"
            )
        if path.name == "config.json":
            refuse_config(path, _read(path))


def refuse_config(path: Path, said: object) -> None:
    """BadData for a configuration that names kernels, asks for more parts than any model has, or for outputs without
    names.
    """
    if named := next(_kernels(said), ""):
        raise BadData(
            f"{path}: asks for the kernels {named[:200]!a}, code that would be fetched and run; legal are "
            f"transformers' own, such as sdpa; take it out of the file"
        )
    if many := next(_many(said), ""):
        raise BadData(f"{path}: found {many}; at most {MOST_PARTS:,} are legal; correct it, or fetch the model again")
    if isinstance(said, dict) and said.get("return_dict") is False:
        raise BadData(
            f"{path}: found return_dict false, with which a model's outputs have no names; true is legal; take it out "
            f"of the file"
        )


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError):  # whoever loads it says so
        return None


def _kernels(value: object, depth: int = 0) -> Iterator[str]:
    found = value if isinstance(value, dict) and depth < 8 else {}
    for name, said in found.items():
        asked = list(said.values()) if isinstance(said, dict) else [said]
        if name.endswith(KERNELS):
            yield from (each for each in asked if isinstance(each, str) and "/" in each)
        yield from _kernels(said, depth + 1)


def _many(value: object, depth: int = 0) -> Iterator[str]:
    """What a configuration has more of than MOST_PARTS, with its name."""
    for name, said in value.items() if isinstance(value, dict) and depth < 8 else ():
        if isinstance(said, (int, float)) and said > MOST_PARTS and PARTS.search(name):
            yield f"{name[:60]!a} {said if said < 10**15 else 'of more than 15 digits'}"
        yield from _many(said, depth + 1)
