"""Why an artifact is not the one that is there already: the fields in which two asks differ."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from winsweep.artifact import Artifact
from winsweep.errors import MissingInput
from winsweep.store.store import RECORD, Store


class Difference(NamedTuple):
    path: str
    ours: object
    theirs: object


def nearest(a: Artifact, store: Store) -> tuple[str, list[Difference]] | None:
    """The published artifact of the same stage that differs from `a` in the fewest fields, and those fields."""
    found = []
    for key, path in store.published().items():
        if key.startswith(f"{a.stage}/") and key != a.key:
            found.append((path.name, differences(a, json.loads((path / RECORD).read_bytes()), store)))
    return min(found, key=lambda pair: (len(pair[1]), pair[0]), default=None)


def differences(a: Artifact, record: dict, store: Store, at: str = "") -> list[Difference]:
    """Every field in which what `a` asks differs from what `record` was made for, inputs followed to their own fields."""
    ours = {"version": a.version, **flat(a.plain_params)}
    theirs = {"version": record["version"], **flat(record["params"])}
    own = [Difference(at + p, ours.get(p), theirs.get(p)) for p in sorted(ours.keys() | theirs.keys()) if ours.get(p) != theirs.get(p)]
    for name in sorted(a.inputs.keys() | record["inputs"].keys()):
        own += _of_input(a.inputs.get(name), record["inputs"].get(name), store, f"{at}{name}: ")
    return own


def _of_input(ours: Artifact | None, theirs: str | None, store: Store, at: str) -> list[Difference]:
    if ours and ours.key == theirs:
        return []
    try:
        record = json.loads((store.find(theirs) / RECORD).read_bytes()) if ours and theirs else None
    except MissingInput:
        record = None
    return differences(ours, record, store, at) if record else [Difference(at.removesuffix(": "), ours and ours.key, theirs)]


def flat(value: object, at: str = "") -> dict[str, object]:
    """Dotted path to leaf of a plain value."""
    return dict(_leaves(value, at))


def _leaves(value: object, at: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, v in value.items():
            yield from _leaves(v, f"{at}.{name}" if at else name)
    else:
        yield at, value
