"""What one wanted output directory is: its stage, what was asked and what it is made from; never where or how."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from winsweep.keys import digest_of_plain, plain


@dataclass(frozen=True)
class Late:
    """A parameter whose value another artifact will hold in its value.json: the key is known before anything runs."""

    late_input: str
    late_field: str


@dataclass(frozen=True, eq=False)
class Artifact:
    """Equal to another exactly if stage, version, params and input keys are; the label is for people."""

    stage: str
    version: int
    label: str
    params: Mapping[str, object]
    inputs: Mapping[str, "Artifact"] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)  # of what making it may use; no part of the key

    @cached_property
    def digest(self) -> str:
        return digest_of_plain({"stage": self.stage, "version": self.version, "params": self.plain_params,
                                "inputs": {name: a.key for name, a in self.inputs.items()}})

    @cached_property
    def plain_params(self) -> object:
        return plain(dict(self.params))

    @cached_property
    def key(self) -> str:
        return f"{self.stage}/{self.digest}"

    @cached_property
    def name(self) -> str:
        """What people read and what the directory is called, relative to the store."""
        return f"{self.stage}/{self.label}-{self.digest}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def closure(wanted: Iterable[Artifact]) -> Iterator[Artifact]:
    """Every artifact reachable from `wanted`, inputs before users, each once."""
    seen: set[str] = set()

    def walk(a: Artifact) -> Iterator[Artifact]:
        if a.key in seen:
            return
        seen.add(a.key)
        for i in a.inputs.values():
            yield from walk(i)
        yield a

    for a in wanted:
        yield from walk(a)
