"""Why an artifact is not the one that is there already: the fields in which two asks differ."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from winsweep.artifact import Artifact
from winsweep.errors import MissingInput
from winsweep.store.store import RECORD, Store


class Difference(NamedTuple):
    """A field by its dotted path, with what is asked and what is there."""

    path: str
    ours: object
    theirs: object

    def text(self, files: Mapping[str, Path], earlier: Mapping[str, Path]) -> str:
        """For a person, digests as what they stand for: a file of this study (`files`, by sha256) and one of finished
        results (`earlier`).
        """
        if not self.path.endswith("sha256"):
            return f"{self.path}: {self.ours!r} here, {self.theirs!r} there"
        ours, theirs = files.get(str(self.ours)), earlier.get(str(self.theirs))
        at = self.path.removesuffix(".sha256")
        if ours and ours == theirs:
            when = (
                f" on {time.strftime('%Y-%m-%d %H:%M', time.localtime(ours.stat().st_mtime))}" if ours.exists() else ""
            )
            return f"{at}: the content of {ours} changed{when}: it is not that of the finished one any more"
        return f"{at}: {ours or self.ours or 'no file'} here, {theirs or self.theirs or 'no file'} there"


def earlier_files(store: Store, key: str) -> dict[str, Path]:
    """Where the local files lay that a finished result, and all that it was made from, was told of; by sha256."""
    found: dict[str, Path] = {}
    left, seen = [key], set()
    while left:
        if (key := left.pop()) not in seen:
            seen.add(key)
            told = _told(store, key)
            found |= {sha256: Path(path) for sha256, path in told.get("files", {}).items()}
            left += told.get("inputs", {}).values()
    return found


def _told(store: Store, key: str) -> dict:
    """What the attempts at a key were told last, which stays when its result has gone."""
    try:
        return json.loads((store.work(key) / "spec.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def nearest(a: Artifact, store: Store) -> tuple[str, list[Difference]] | None:
    """The published artifact of the same stage that differs from `a` in the fewest fields, and those fields."""
    found = []
    for key, path in store.published().items():
        if key.startswith(f"{a.stage}/") and key != a.key:
            found.append((path.name, differences(a, json.loads((path / RECORD).read_bytes()), store)))
    return min(found, key=lambda pair: (len(pair[1]), pair[0]), default=None)


def differences(a: Artifact, record: dict, store: Store, at: str = "") -> list[Difference]:
    """Every field in which what `a` asks differs from what `record` was made for; inputs by their own fields."""
    ours = {"version": a.version, **flat(a.plain_params)}
    theirs = {"version": record["version"], **flat(record["params"])}
    own = [
        Difference(at + p, ours.get(p), theirs.get(p))
        for p in sorted(ours.keys() | theirs.keys())
        if ours.get(p) != theirs.get(p)
    ]
    for name in sorted(a.inputs.keys() | record["inputs"].keys()):
        own += _of_input(a.inputs.get(name), record["inputs"].get(name), store, f"{at}{name}: ")
    return own


def _of_input(ours: Artifact | None, theirs: str | None, store: Store, at: str) -> list[Difference]:
    if ours and ours.key == theirs:
        return []
    if ours and theirs:
        try:
            record = json.loads((store.find(theirs) / RECORD).read_bytes())
        except MissingInput:
            record = _told(store, theirs)
        if record:
            return differences(ours, record, store, at)
    return [Difference(at.removesuffix(": "), ours and ours.key, theirs)]


def flat(value: object, at: str = "") -> dict[str, object]:
    """Dotted path to leaf of a plain value."""
    return dict(_leaves(value, at))


def _leaves(value: object, at: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, v in value.items():
            yield from _leaves(v, f"{at}.{name}" if at else name)
    else:
        yield at, value
