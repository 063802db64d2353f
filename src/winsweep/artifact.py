"""What one wanted output directory is: its stage, what was asked and what it is made from; never where or how."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from winsweep.keys import digest, plain


@dataclass(frozen=True)
class Late:
    """A parameter whose value another artifact will hold in its value.json: the key is known before anything runs."""

    late_input: str
    late_field: str


@dataclass(frozen=True, eq=False)
class Artifact:
    """Equal to another exactly if stage, version, params and input keys are; the label is for people.

    `gates` must be published before it may be started, and are no part of the key: checks, whose outcome changes no
    result.
    """

    stage: str
    version: int
    label: str
    params: Mapping[str, object]
    inputs: Mapping[str, "Artifact"] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)  # of what making it may use; no part of the key
    gates: Mapping[str, "Artifact"] = field(default_factory=dict)
    digest: str = field(init=False)
    key: str = field(init=False)
    name: str = field(init=False)  # what people read and what the directory is called, relative to the store

    def __post_init__(self) -> None:
        asked = {
            "stage": self.stage,
            "version": self.version,
            "params": dict(self.params),
            "inputs": {name: a.key for name, a in self.inputs.items()},
        }
        found = digest(asked)
        vars(self).update(digest=found, key=f"{self.stage}/{found}", name=f"{self.stage}/{self.label}-{found}")

    @cached_property
    def plain_params(self) -> dict[str, Any]:
        """`params` in JSON types, as an attempt is given them."""
        return plain(dict(self.params))

    @cached_property
    def needs(self) -> tuple["Artifact", ...]:
        """What must be published before it may be started: its inputs, then its gates."""
        return (*self.inputs.values(), *self.gates.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def closure(wanted: Iterable[Artifact]) -> list[Artifact]:
    """Every artifact reachable from `wanted`, inputs and gates before users, each once."""
    seen: set[str] = set()
    found: list[Artifact] = []

    def walk(a: Artifact) -> None:
        seen.add(a.key)
        for i in a.needs:
            if i.key not in seen:
                walk(i)
        found.append(a)

    for a in wanted:
        if a.key not in seen:
            walk(a)
    return found
