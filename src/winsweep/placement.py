"""Where and how a stage runs: nothing here can change a key, and nothing here is seen by a function that computes one."""

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from winsweep import strict

WORD = re.compile(r"[A-Za-z0-9_.,:&|*@+=\[\]()/-]+")


@dataclass(frozen=True)
class Placement:
    """Resources of one attempt of one stage; read from slurm/stages.yaml and a cluster file."""

    ranks: int = strict.number(1, 1)  # processes that train together, spread evenly over the nodes
    nodes: int = strict.number(1, 1)
    gpus_per_rank: int = strict.number(0, 0)  # a machine without GPUs runs everything on its CPUs
    threads: int = strict.number(1, 1)  # CPU threads of each rank; fixed, because sums depend on it in the last bit
    zero: str = "zero1"  # a file of ds_configs/, without .json
    micro_batch: int = strict.number(8, 1)  # examples of one forward pass on one rank
    checkpoint_steps: int = strict.number(50, 1)  # optimizer steps between full-state checkpoints
    timeout_s: float = strict.number(600.0, 1)  # longest wait of a rank for the others; a hung rank ends the attempt after it
    # What follows is SLURM's.
    time_min: int = strict.number(60, 1)
    signal_s: int = strict.number(90, 1)  # how long before the limit an attempt is told to save; SLURM may tell it a minute earlier
    mem_gb: int | None = None  # of each node
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    throttle: int = strict.number(256, 1)  # tasks of one array that run at once
    where: Literal["nodes", "login"] = "nodes"  # login: on the machine of the launcher, for stages that need the internet

    @property
    def gpus(self) -> int:
        """GPUs of the whole attempt."""
        return self.ranks * self.gpus_per_rank


@dataclass(frozen=True)
class Cluster:
    """A cluster file, read: whether SLURM or this machine runs attempts, and how each stage is placed."""

    kind: Literal["slurm", "local"]
    file: Path
    placements: Mapping[str, Placement]


def read_cluster(defaults: Path, file: Path, stages: Collection[str]) -> Cluster:
    """The word of `file` for a stage, then its word for `all`, then that of `defaults`, then the type's own.

    BadStudy says file, line and what is legal; a value that could be more than a word to SLURM's shell is refused.
    """
    root = strict.read_yaml(file)
    given = root.mapping()
    strict.refuse_unknown(given, ("kind", "all", "stages"), root)
    kind = strict.read(Literal["slurm", "local"], given["kind"]) if "kind" in given else "local"
    layers = [strict.read_yaml(defaults), given.get("stages")]
    merged = {name: [layers[0].mapping().get(name), given.get("all"), layers[1].mapping().get(name) if layers[1] else None] for name in stages}
    for node in [n for n in layers if n]:
        strict.refuse_unknown(node.mapping(), sorted(stages), node)
    return Cluster(kind, file, {name: _placement(own, root) for name, own in merged.items()})


def _placement(layers: list[strict.Node | None], root: strict.Node) -> Placement:
    fields: dict[str, strict.Node] = {}
    for node in [n for n in layers if n]:
        strict.refuse_unknown(node.mapping(), [f.name for f in dataclasses.fields(Placement)], node)
        fields |= node.mapping()
    placed = strict.read_fields(Placement, fields, root)
    for name, node in fields.items():
        if isinstance(node.value, str) and not WORD.fullmatch(node.value):
            raise node.error(f"found {node.value!r}", "one word without spaces, quotes or line breaks is legal: it becomes part of a batch script")
    if placed.ranks % placed.nodes:
        at = fields.get("nodes", root)
        raise at.error(f"found {placed.ranks} ranks on {placed.nodes} nodes", "the same number on each node is legal")
    return placed
