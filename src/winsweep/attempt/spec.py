"""What an attempt is told: a file that names one artifact, where its local files lie, and how it is placed."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winsweep import command_names, keys, ownership, placement
from winsweep.artifact import Artifact
from winsweep.errors import BadData
from winsweep.placement import Placement
from winsweep.store import folders, links
from winsweep.store.manifest import write_atomic

STAGE = re.compile(r"[a-z][a-z0-9_]*")
WHY = "a spec names code that its attempt runs; sweep.py writes your own"
LABEL = re.compile(r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*")


@dataclass(frozen=True)
class Spec:
    """Enough to make one artifact by hand: `python jobs/STAGE.py SPEC.json`."""

    store: str
    study: str
    stage: str
    version: int
    label: str
    digest: str
    params: Mapping[str, Any]  # in JSON types
    inputs: Mapping[str, str]  # name to key
    files: Mapping[str, str]  # sha256 to path, for local files in params
    placement: Placement
    limits: Mapping[str, Any] = field(default_factory=dict)  # as a stage's Want has them
    gates: Mapping[str, str] = field(default_factory=dict)  # name to key; see Artifact

    @property
    def key(self) -> str:
        """What the result is known by: STAGE/DIGEST."""
        return f"{self.stage}/{self.digest}"

    @property
    def name(self) -> str:
        """Where the result will lie, relative to the store: STAGE/LABEL-DIGEST."""
        return f"{self.stage}/{self.label}-{self.digest}"

    def rebuild(self, name: str) -> str:
        """The command that makes the published artifact `name` again."""
        return f"rm -r {shlex.quote(f'{self.store}/{name}')} && {self.command}"

    @property
    def command(self) -> str:
        """What to type to make the study's results."""
        return f"{command_names.command('run')} {shlex.quote(self.study)} --store {shlex.quote(self.store)}"


def make(artifact: Artifact, store: Path, study: Path, files: Mapping[str, Path], placed: Placement) -> Spec:
    """The spec of an artifact, with those of `files` (sha256 to path) that its parameters name."""
    used = _digests(artifact.plain_params) & files.keys()
    return Spec(
        str(store),
        str(study),
        artifact.stage,
        artifact.version,
        artifact.label,
        artifact.digest,
        artifact.plain_params,
        {n: a.key for n, a in artifact.inputs.items()},
        {s: str(files[s]) for s in sorted(used)},
        placed,
        dict(artifact.limits),
        {n: a.key for n, a in artifact.gates.items()},
    )


def write(spec: Spec, path: Path) -> None:
    """Put the file into the work directory of its artifact; LinkInStore if that, or where the result will be, is behind
    a link.
    """
    links.inside(Path(spec.store), Path(spec.store) / spec.stage)
    links.inside(Path(spec.store), path)
    folders.make(path.parent)
    said = json.dumps(plain(spec), indent=1, sort_keys=True).encode()
    write_atomic(path, said, durable=False, is_own=True)  # made again if lost


def read(path: Path) -> Spec:
    """The spec in a file; BadData where it is none, or says something else than it did when it was written; NotOwn
    where another user could have written it.
    """
    try:
        return restore(json.loads(ownership.read_own(path, WHY)))
    except (ValueError, OSError, RecursionError) as e:
        raise BadData(
            f"{path}: cannot be read as a spec ({type(e).__name__}); sweep.py writes one for each attempt"
        ) from None
    except BadData as e:
        raise BadData(f"{path}: {e}") from None


def plain(spec: Spec) -> dict:
    """`spec` in JSON types; see restore."""
    return vars(spec) | {"placement": placement.plain(spec.placement)}


def restore(raw: dict) -> Spec:
    """The spec that `plain` gave; BadData unless its digest is that of what it asks for, and its names are names in the
    store.
    """
    try:
        spec = Spec(**raw | {"placement": placement.restore(raw["placement"])})
        asked = keys.digest(
            {"stage": spec.stage, "version": spec.version, "params": spec.params, "inputs": spec.inputs}
        )
    except (TypeError, KeyError, RecursionError) as e:
        raise BadData(f"no spec: {type(e).__name__}: {e}; sweep.py writes one for each attempt") from None
    if not STAGE.fullmatch(str(spec.stage)) or not LABEL.fullmatch(str(spec.label)):
        raise BadData(
            f"found the stage {spec.stage!r} and the label {spec.label!r}; legal are names of files, without / and not "
            f"beginning with a "
            "dot; they say where the result will lie"
        )
    if asked != spec.digest:
        raise BadData(
            f"its digest is {spec.digest!r}, and what it asks for (stage, version, params, inputs) has {asked!r}: it "
            f"was edited; its "
            "placement may be, but to ask for something else change the study"
        )
    return spec


def _digests(value: object) -> set[str]:
    """Every sha256 that `value` (plain JSON types) names."""
    if isinstance(value, dict):
        here = {value["sha256"]} if isinstance(value.get("sha256"), str) else set()
        return here.union(*(_digests(v) for v in value.values()))
    return set().union(*(_digests(v) for v in value)) if isinstance(value, list) else set()
