"""Which results a study asks for here that an archive has under other keys, and why: only where the difference begins.
Pure but for the names of files.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winsweep import screen
from winsweep.artifact import Artifact
from winsweep.keys import KEY_HEX
from winsweep.store.siblings import Difference, flat

MOST_NAMED = 3
LONGEST = 200  # characters of a value
DIGEST = re.compile(rf"(?<![0-9a-f])[0-9a-f]{{{KEY_HEX}}}(?![0-9a-f])")


@dataclass(frozen=True)
class Compared:
    """Results by key: how many are the same, how many differ, and the fields in which they begin to, with the labels of
    the results that have each; results of one side alone.
    """

    num_same: int
    num_differ: int
    why: Mapping[tuple[str, Difference], Sequence[str]]  # (stage, field) to labels
    only_here: Sequence[str] = ()
    only_there: Sequence[str] = ()

    def lines(self, files: Mapping[str, Path], earlier: Mapping[str, Path]) -> list[str]:
        """For a person; digests as the files that they are of, here and in the archive."""
        told = [
            f"differs  {stage}: {screen.cut(screen.printable(field.text(files, earlier)), LONGEST)}  "
            f"({screen.printable(screen.few(list(labels), MOST_NAMED))})"
            for (stage, field), labels in self.why.items()
        ]
        for names, where in ((self.only_here, "here"), (self.only_there, "in the archive")):
            told += [f"differs  only {where}: {screen.printable(screen.few(list(names), MOST_NAMED))}"] if names else []
        return told


def compared(ours: Iterable[Artifact], theirs: Sequence[Mapping[str, Any]]) -> Compared:
    """The results of a study here held against those of an archive, each of them `key`, `stage`, `label`, `version`,
    `params` and `inputs`.

    A result whose inputs alone differ is counted and not told of: what differs is told of its inputs.
    """
    ours = list(ours)
    keys, here = {t["key"] for t in theirs}, {a.key for a in ours}
    names = {a.digest: a.label for a in ours} | {t["key"].partition("/")[2]: t["label"] for t in theirs}
    lacking = {(t["stage"], t["label"]): t for t in theirs if t["key"] not in here}
    other = [a for a in ours if a.key not in keys]
    why: dict[tuple[str, Difference], list[str]] = {}
    only_here = []
    for a in other:
        told = lacking.pop((a.stage, a.label), None)
        if told is None:
            only_here.append(f"{a.stage}/{a.label}")
            continue
        for field in _fields(a, told, names):
            why.setdefault((a.stage, field), []).append(a.label)
    only_there = [f"{stage}/{label}" for stage, label in lacking]
    return Compared(len(ours) - len(other), len(other), why, only_here, only_there)


def _fields(a: Artifact, told: Mapping[str, Any], names: Mapping[str, str]) -> list[Difference]:
    """The fields of their own in which two asks differ, and inputs that only one of them has; `names` has labels by
    digest.
    """
    ours = {"version": a.version, **_told(a.plain_params, names)}
    theirs = {"version": told["version"], **_told(told["params"], names)}
    found = [
        Difference(name, ours.get(name), theirs.get(name))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    one_side = sorted(a.inputs.keys() ^ told["inputs"].keys())
    return found + [
        Difference(f"made from {name}", name in a.inputs or None, name in told["inputs"] or None) for name in one_side
    ]


def _told(params: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Dotted path to leaf, a list as its text; keys of other results, as tables have them, as their labels."""

    def leaf(value: Any) -> Any:
        text = str(value) if isinstance(value, list) else value
        return DIGEST.sub(lambda found: names.get(found[0], found[0]), text) if isinstance(text, str) else text

    return {name: leaf(value) for name, value in flat(params).items()}
