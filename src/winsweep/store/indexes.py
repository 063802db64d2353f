"""A model directory is what is in it: the files that its indices name lie beside them, so that its content digest
covers all that is loaded.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from winsweep.errors import BadData
from winsweep.paths import REFUSED
from winsweep.store import model_files

WEIGHTS = (".safetensors", ".bin", ".pt", ".h5", ".msgpack")


def refuse_outside(folder: Path | str) -> None:
    """BadData where an index of weights (or an embedder's list of modules) below the directory `folder` names what is
    not beside it, and as of model_files.refuse.

    Files may be links, as those of the hub's cache are: content is read through them. Names may not lead elsewhere.
    """
    folder = Path(folder)
    if folder.is_dir():
        model_files.refuse(folder)
    for index in sorted(folder.rglob("*.index*.json")) if folder.is_dir() else ():
        for name in names_in(index):
            if not is_name(name) or not name.endswith(WEIGHTS):
                raise _error(index, "weight_map", name)
    for index in sorted(folder.rglob("modules.json")) if folder.is_dir() else ():
        for module in _modules(index):
            if module != "" and not is_name(module):
                raise _error(index, "path", module)


def names_in(index: Path) -> list[str]:
    """The files that an index of weights names, each once, whatever they are; none for one that has no weight_map."""
    found = _read(index)
    named = found.get("weight_map", {}) if isinstance(found, dict) else {}
    if not isinstance(named, dict):
        raise _error(index, "weight_map", named)
    return sorted(set(map(_text, named.values())))


def is_name(name: object) -> bool:
    """Whether it is the name of a file, not a way to one."""
    return (
        isinstance(name, str) and name not in ("", ".", "..") and not {"/", "\\"} & {*name} and not REFUSED.search(name)
    )


def _modules(index: Path) -> Iterator[object]:
    found = _read(index)
    return (module.get("path", "") for module in (found if isinstance(found, list) else ()) if isinstance(module, dict))


def _read(index: Path) -> object:
    try:
        return json.loads(index.read_bytes())
    except (ValueError, RecursionError, OSError) as e:
        why = f"cannot be read as JSON ({type(e).__name__})"
        raise BadData(f"{index}: {why}; legal is an index as transformers writes it; fetch the model again") from None


def _text(name: object) -> str:
    return name if isinstance(name, str) else json.dumps(name)[:80] + "/"  # no name, so it is refused


def _error(index: Path, key: str, name: object) -> BadData:
    return BadData(
        f"{index}: {key} names {ascii(name)[:200]}; legal are names of files of weights beside it, as what lies "
        f"elsewhere is not part "
        f"of the model's digest; put the file there and correct the name"
    )
