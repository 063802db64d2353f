"""What an attempt is made from: every input there and verified, every late value read."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from winsweep.attempt import staging
from winsweep.attempt.spec import Spec
from winsweep.errors import Damaged, NotFound
from winsweep.store import damage, manifest
from winsweep.store.store import Store


def verified_inputs(spec: Spec, store: Store, attempt: str) -> dict[str, Path]:
    """Every input directory, each file of it checked against its manifest (a model's, of a copy); MissingInput or
    Damaged otherwise.

    What is damaged for the first time is set aside and so is missing. MissingInput as well where a gate is not
    published: the attempt was started before it, or although it failed.
    """
    found(store, spec.gates.values())
    there = found(store, spec.inputs.values())  # before any is read, which takes long
    return {name: _verified(spec, store, name, key, there[key], attempt) for name, key in spec.inputs.items()}


def found(store: Store, keys: Collection[str]) -> dict[str, Path]:
    """Key to published directory, where they are many from one listing of each stage (a table is made from thousands of
    judgements); or MissingInput with the first that is not there.
    """
    there = store.published(keys)
    return {key: there[key] if key in there else store.find(key) for key in keys}


def _verified(spec: Spec, store: Store, name: str, key: str, seen: Path, attempt: str) -> Path:
    """One input, `seen` there; looked at twice before it is called damaged, as another attempt may have set it
    aside, and made it again, meanwhile.
    """

    def look(path: Path) -> Path:
        repair = spec.rebuild(path.relative_to(store.root).as_posix())
        if name == "base" and spec.placement.scratch:
            return staging.staged(path, spec.placement.scratch, repair, attempt)
        manifest.verify(path, repair)
        return path

    try:
        return look(seen)
    except (Damaged, NotFound, OSError):
        pass
    path = store.find(key)
    try:
        return look(path)
    except (Damaged, NotFound) as e:
        raise damage.set_aside(store, path, str(e).partition("; to rebuild:")[0]) from e


def resolve_late(params: Any, inputs: dict[str, Path]) -> Any:
    """`params`, in JSON types, with every late-bound value (see artifact.Late) read from the value.json of the input
    that holds it.
    """
    if isinstance(params, dict) and params.keys() == {"late_input", "late_field"}:
        return json.loads((inputs[params["late_input"]] / "value.json").read_bytes())[params["late_field"]]
    if isinstance(params, dict):
        return {k: resolve_late(v, inputs) for k, v in params.items()}
    return [resolve_late(v, inputs) for v in params] if isinstance(params, list) else params
