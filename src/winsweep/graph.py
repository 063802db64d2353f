"""How an ask becomes artifacts: stages are the files of jobs/, and each says what it wants from the others."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import NamedTuple

from winsweep import ownership
from winsweep.artifact import Artifact
from winsweep.errors import BadStudy, NotOwn


class Want(NamedTuple):
    """A stage's answer to an ask: a label for people, what is asked exactly, and the artifacts that it is made from.

    `limits` (plain types) bound what making it may use, such as a budget, and are no part of the key.
    """

    label: str
    params: Mapping[str, object]
    inputs: Mapping[str, Artifact]
    limits: Mapping[str, object] = MappingProxyType({})


def discover(folder: Path, package: str) -> dict[str, ModuleType]:
    """Every public Python file of `folder` by name, loaded as `package`.name; a file is its own registration."""
    return {p.stem: load(p, package) for p in sorted(folder.glob("*.py")) if not p.stem.startswith("_")}


def load(path: Path, package: str, sha256: str = "") -> ModuleType:
    """One file as a module; a file that does not load is an error that names it.

    Of a file that is known by its sha256 exactly that content runs, and nothing that was compiled before.
    """
    name = f"{package}.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadStudy(f"{path}: no Python file; a name that ends in .py is legal")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before execution, as dataclasses look their module up
    try:
        if sha256:
            exec(compile(_content(path, sha256), str(path), "exec", dont_inherit=True), module.__dict__)
        else:
            spec.loader.exec_module(module)
    except BaseException as e:
        del sys.modules[name]
        if isinstance(e, NotOwn) or not isinstance(e, Exception | SystemExit):  # a signal is no fault of the file
            raise
        raise BadStudy(f"{path}: cannot be loaded: {type(e).__name__}: {e}") from e
    return module


def _content(path: Path, sha256: str) -> bytes:
    content = ownership.read_own(path.resolve(), "it is code, which would run as yours")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BadStudy(f"{path}: changed since the study was read; type the same command again")
    return content


Gates = Callable[[str, Hashable], Mapping[str, tuple[str, Hashable]]]


class Need:
    """Turns (stage, ask) into the one artifact that answers it; remembers, and refuses circles.

    `gates` tells of a stage's ask which others (by name: stage and ask) must be published before it may be started.
    """

    def __init__(self, stages: Mapping[str, ModuleType], gates: Gates = lambda stage, ask: {}) -> None:
        self.stages, self.gates = stages, gates
        self._known: dict[tuple[str, Hashable], Artifact] = {}
        self._open: list[tuple[str, Hashable]] = []

    def __call__(self, stage: str, ask: Hashable) -> Artifact:
        at = (stage, ask)
        found = self._known.get(at)
        if found is None:
            found = self._known[at] = self._make(at)
        return found

    def _make(self, at: tuple[str, Hashable]) -> Artifact:
        stage, ask = at
        if stage not in self.stages:
            raise BadStudy(f"stage {stage!r}: no such file in jobs/; there are {', '.join(self.stages)}")
        if at in self._open:
            raise BadStudy("stages want each other in a circle: " + " -> ".join(s for s, _ in [*self._open, at]))
        self._open.append(at)
        try:
            want = self.stages[stage].want(ask, self)
            gates = {name: self(*gate) for name, gate in self.gates(stage, ask).items()}
        finally:
            self._open.pop()
        return Artifact(stage, self.stages[stage].VERSION, want.label, want.params, want.inputs, want.limits, gates)
