"""Where and how a stage runs: nothing here can change a key, and nothing here is seen by a function that computes one."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from winsweep import strict


@dataclass(frozen=True)
class Placement:
    """Resources of one attempt of one stage; read from slurm/stages.yaml and a cluster file."""

    ranks: int = strict.number(1, 1)  # processes that train together
    gpus: int = strict.number(0, 0)  # of the whole attempt; a machine without GPUs runs it on its CPUs
    threads: int = strict.number(1, 1)  # CPU threads of each rank; fixed, because sums depend on it in the last bit
    zero: str = "zero1"  # a file of ds_configs/, without .json
    micro_batch: int = strict.number(8, 1)  # examples of one forward pass on one rank
    checkpoint_steps: int = strict.number(50, 1)  # optimizer steps between full-state checkpoints
    timeout_s: float = strict.number(600.0, 1)  # longest wait of a rank for the others


def read_placements(defaults: Path, cluster: Path, stages: Collection[str]) -> dict[str, Placement]:
    """Every stage's placement: the word of the `cluster` file, then that of `defaults`, then the type's own.

    BadStudy says file, line and what is legal.
    """
    root = strict.read_yaml(cluster)
    strict.refuse_unknown(root.mapping(), ("stages",), root)
    own = root.mapping().get("stages", root)
    merged: dict[str, dict[str, strict.Node]] = {name: {} for name in stages}
    for node in (strict.read_yaml(defaults), own if "stages" in root.mapping() else None):
        given = node.mapping() if node else {}
        strict.refuse_unknown(given, sorted(stages), node) if node else None
        for stage, fields in given.items():
            strict.refuse_unknown(fields.mapping(), [f.name for f in dataclasses.fields(Placement)], fields)
            merged[stage] |= fields.mapping()
    return {stage: strict.read_fields(Placement, fields, root) for stage, fields in merged.items()}
