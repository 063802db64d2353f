"""Why an artifact is not the one that is there already: the fields in which two asks differ."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from winsweep.artifact import Artifact
from winsweep.store.provenance import record_of
from winsweep.store.store import Store

STARTS = "starts from"  # how a path ends whose values are labels: of what a result is made from, of different stages


class Difference(NamedTuple):
    """A field by its dotted path, with what is asked and what is there."""

    path: str
    ours: object
    theirs: object

    def text(self, files: Mapping[str, Path], earlier: Mapping[str, Path]) -> str:
        """For a person, digests as what they stand for: a file of this study (`files`, by sha256) and one of finished
        results (`earlier`).
        """
        if self.path.endswith(STARTS):
            return f"{self.path} {self.ours} here, {self.theirs} there"
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


class _Records:
    """What results of a store were made for, each read once: thousands may share an input."""

    def __init__(self, store: Store) -> None:
        self.store, self.published = store, store.published()
        self.known: dict[str, dict] = {}

    def of(self, key: str) -> dict:
        if key not in self.known:
            made = self.published.get(key)
            self.known[key] = record_of(made) if made else _told(self.store, key)
        return self.known[key]


def nearest(a: Artifact, store: Store) -> tuple[str, list[Difference]] | None:
    """The published artifact of the same stage that differs from `a` in the fewest fields, and those fields."""
    records = _Records(store)
    best: tuple[str, list[Difference]] | None = None
    others = {key: path for key, path in records.published.of_stage(a.stage).items() if key != a.key}
    least = {key: _least(a, records.of(key)) for key in others}
    for key in sorted(others, key=lambda key: (least[key], others[key].name)):
        if best is not None and least[key] >= len(best[1]):
            break
        found = differences(a, records.of(key), records)
        if best is None or len(found) < len(best[1]):
            best = others[key].name, found
    return best


def _least(a: Artifact, record: dict) -> int:
    """In how many fields they differ at least: their own, and one for each input that is another."""
    return len(_own(a, record, "")) + sum(
        ours is None or ours.key != theirs for _, ours, theirs in _inputs(a, record["inputs"])
    )


def differences(a: Artifact, record: dict, records: _Records, at: str = "") -> list[Difference]:
    """Every field in which what `a` asks differs from what `record` was made for; inputs by their own fields."""
    found = _own(a, record, at)
    for name, ours, theirs in _inputs(a, record["inputs"]):
        found += _of_input(ours, theirs, records, f"{at}{name}: ")
    return found


def _own(a: Artifact, record: dict, at: str) -> list[Difference]:
    ours = {"version": a.version, **flat(a.plain_params)}
    theirs = {"version": record["version"], **flat(record["params"])}
    return [
        Difference(at + p, ours.get(p), theirs.get(p))
        for p in sorted(ours.keys() | theirs.keys())
        if ours.get(p) != theirs.get(p)
    ]


def _inputs(a: Artifact, theirs: Mapping[str, str]) -> list[tuple[str, Artifact | None, str | None]]:
    return [(name, a.inputs.get(name), theirs.get(name)) for name in sorted(a.inputs.keys() | theirs.keys())]


def _of_input(ours: Artifact | None, theirs: str | None, records: _Records, at: str) -> list[Difference]:
    if ours and ours.key == theirs:
        return []
    if ours and theirs and theirs in records.published and ours.stage != theirs.partition("/")[0]:
        label = records.published[theirs].name.rpartition("-")[0]
        return [Difference(f"{at.removesuffix('base: ')}{STARTS}", ours.label, label)]
    if ours and theirs and (record := records.of(theirs)):
        return differences(ours, record, records, at)
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
