"""What a container of a cluster file needs on a study's nodes: directories that it must see, and which image it is."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from winsweep.errors import BadStudy
from winsweep.node_environment import Container
from winsweep.placement import Cluster, Placement, Placements
from winsweep.store.fingerprint import Fingerprints

CACHES = ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME")


def resolved(cluster: Cluster, store: Path, files: Iterable[Path]) -> Cluster:
    """The cluster with each container's mounts and digest filled in: the store (and the code within it), the folders of
    the study's local `files`, scratch, caches of the hub.
    """
    placements = cluster.placements
    if not any(p.container for p in [*placements.by_stage.values(), *(p for _, _, p in placements.by_label)]):
        return cluster
    prints = Fingerprints(store / ".cache" / "digests.json")
    named = [store, *sorted({path.parent for path in files})]
    seen = [at for path in named for at in (path.absolute(), path.resolve())]  # as it is spelled, and where it leads

    def of(placed: Placement) -> Placement:
        return replace(placed, container=placed.container and _filled(placed.container, placed, seen, prints))

    by_label = tuple((pattern, stage, of(placed)) for pattern, stage, placed in placements.by_label)
    filled = Placements({stage: of(placed) for stage, placed in placements.by_stage.items()}, by_label)
    prints.save()
    return replace(cluster, placements=filled)


def _filled(container: Container, placed: Placement, seen: list[Path], prints: Fingerprints) -> Container:
    variables = dict(placed.env)
    caches = [Path(at) for name in CACHES if (at := variables.get(name) or os.environ.get(name))]
    scratch = [Path(placed.scratch)] if placed.scratch and placed.scratch.startswith("/") else []
    mounts = [str(path) for path in _outermost([*seen, *caches, *scratch]) if not _is_mounted(path, container)]
    if split := [mount for mount in mounts if "," in mount or ":" in mount]:
        why = "a container can mount paths without commas and colons"
        raise BadStudy(f"container: found {split[0]}, which ranks must see; {why}; name or link it otherwise")
    return replace(container, mounts=(*mounts, *container.mounts), digest=_digest(container, prints))


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Each path but those that lie within another."""
    unique = list(dict.fromkeys(paths))
    return [path for path in unique if not any(other != path and path.is_relative_to(other) for other in unique)]


def _is_mounted(path: Path, container: Container) -> bool:
    """Whether the cluster file says itself where a directory is inside."""
    return any(mount.partition(":")[0] == str(path) for mount in container.mounts)


def _digest(container: Container, prints: Fingerprints) -> str:
    """The sha256 of an image that is a file or is named by one; "" of one that is named by a tag, which may move."""
    path = Path(container.image)
    if path.is_file():
        return prints(path).sha256
    return container.image.rpartition("@sha256:")[2] if "@sha256:" in container.image else ""
