"""What an attempt is told: a file that names one artifact, where its local files lie, and how it is placed."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.placement import Placement
from winsweep.store.manifest import write_atomic


@dataclass(frozen=True)
class Spec:
    """Enough to make one artifact by hand: `python jobs/STAGE.py SPEC.json`."""

    store: str
    study: str
    stage: str
    version: int
    label: str
    digest: str
    params: Mapping[str, object]
    inputs: Mapping[str, str]  # name to key
    files: Mapping[str, str]  # sha256 to path, for local files in params
    placement: Placement
    limits: Mapping[str, object] = field(default_factory=dict)  # as a stage's Want has them
    gates: Mapping[str, str] = field(default_factory=dict)  # name to key; see Artifact

    @property
    def key(self) -> str:
        return f"{self.stage}/{self.digest}"

    @property
    def name(self) -> str:
        return f"{self.stage}/{self.label}-{self.digest}"

    def rebuild(self, name: str) -> str:
        """The command that makes the published artifact `name` again."""
        return f"rm -r {shlex.quote(f'{self.store}/{name}')} && {self.command}"

    @property
    def command(self) -> str:
        return f"python launch/sweep.py {shlex.quote(self.study)} --store {shlex.quote(self.store)}"


def make(artifact: Artifact, store: Path, study: Path, files: Mapping[str, Path], placement: Placement) -> Spec:
    used = _digests(artifact.plain_params) & files.keys()
    return Spec(str(store), str(study), artifact.stage, artifact.version, artifact.label, artifact.digest, artifact.plain_params,
                {n: a.key for n, a in artifact.inputs.items()}, {s: str(files[s]) for s in sorted(used)}, placement, dict(artifact.limits), {n: a.key for n, a in artifact.gates.items()})


def write(spec: Spec, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(plain(spec), indent=1, sort_keys=True).encode(), durable=False)  # made again if lost


def read(path: Path) -> Spec:
    return restore(json.loads(path.read_bytes()))


def plain(spec: Spec) -> dict:
    """`spec` in JSON types; see restore."""
    return vars(spec) | {"placement": vars(spec.placement)}


def restore(raw: dict) -> Spec:
    return Spec(**raw | {"placement": Placement(**raw["placement"])})


def _digests(value: object) -> set[str]:
    """Every sha256 that `value` (plain JSON types) names."""
    if isinstance(value, dict):
        here = {value["sha256"]} if isinstance(value.get("sha256"), str) else set()
        return here.union(*(_digests(v) for v in value.values()))
    return set().union(*(_digests(v) for v in value)) if isinstance(value, list) else set()
