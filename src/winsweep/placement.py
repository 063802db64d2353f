"""Where and how a stage runs: nothing here can change a key, and no function that computes one sees it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from winsweep import strict
from winsweep.node_environment import Container


@dataclass(frozen=True)
class Placement:
    """Resources of one attempt of one stage; read from slurm/stages.yaml and a cluster file."""

    #: `auto`: as few GPUs, one for each rank, as hold a finetune, with `zero: auto` and `recompute: auto`; `given`: as
    #: written here
    placement: Literal["given", "auto"] = "given"
    ranks: int = strict.number(1, 1, 65536)  #: processes that train together, spread evenly over the nodes [processes]
    nodes: int = strict.number(1, 1, 65536)  #: nodes of an attempt; `ranks` must be a multiple of it [nodes]
    gpus_per_rank: int = strict.number(0, 0, 1024)  #: GPUs of each rank; without any, it runs on CPUs [GPUs]
    #: CPU threads of each rank; fixed, because sums depend on it in the last bit [threads]
    threads: int = strict.number(1, 1, 4096)
    #: ZeRO stage: a file of `ds_configs/`, without `.json`; `auto`: the fastest that fits the GPU
    zero: str = "zero1"
    #: tokens of one forward pass on one rank; 0: as many as fit into a GPU, or 2,048 on a CPU [tokens]
    micro_tokens: int = strict.number(0, 0, 999_999)
    #: activations that the backward pass makes again: less memory, same numbers; `auto`: the fewest that fit the GPU
    recompute: Literal["none", "cheap", "full", "auto"] = "none"
    #: steps between full-state checkpoints; 0: as often as costs 3 % of the time [optimizer steps]
    checkpoint_steps: int = strict.number(0, 0)
    #: write checkpoints behind the next steps, from a copy in the node's memory if there is room for one
    checkpoint_behind: bool = True
    #: longest wait of a rank for the others; a hung rank ends the attempt after it [seconds]
    timeout_s: float = strict.number(600.0, 1, 604_800)
    #: a directory of each node, or a variable that names one (`TMPDIR`): base models are copied there and read from it
    scratch: str | None = None
    # What follows is SLURM's.
    time_min: int = strict.number(60, 1, 527_040)  #: time limit of an attempt [minutes]
    #: how long before the limit an attempt is asked to save; SLURM may ask a minute earlier [seconds]
    signal_s: int = strict.number(90, 1, 65_535)
    mem_gb: int | None = strict.number(
        None, 1, 100_000
    )  #: memory of each node; without it, the partition's default [GB]
    partition: str | None = None  #: SLURM partition
    account: str | None = None  #: SLURM account that is charged
    qos: str | None = None  #: SLURM quality of service
    constraint: str | None = None  #: features that a node must have, such as `a100|h100`
    throttle: int = strict.number(256, 1)  #: tasks of one array that run at once [tasks]
    #: kind of GPU, as `sinfo -o %G` names it
    gpu_type: str | None = None
    #: memory of each GPU, where its type does not say it: a dry run compares it with what a model needs [GB]
    gpu_memory_gb: int | None = strict.number(None, 1)
    #: leave out cells whose models do not fit GPU, node or disk by an estimate; `false` runs them all the same
    check_memory: bool = True
    #: which option of sbatch asks for GPUs
    gpus_by: Literal["gpus-per-node", "gres", "gpus-per-task"] = "gpus-per-node"
    #: shell lines that run on each node before a rank, such as `module load`; with pyxis on the first node alone,
    #: before the container starts
    setup: tuple[str, ...] = ()
    #: variables of each rank, set before the setup lines; no secrets; merged by name over the layers
    env: tuple[tuple[str, str], ...] = ()
    #: the interpreter of the nodes: a path, or a name that is found after `setup`; without it, that of `sweep.py`
    python: str | None = None
    #: what ranks run in; finalizers and watchdogs, which call sbatch, stay outside
    container: Container | None = None
    #: any other long option of sbatch and its value (`true` for one without); merged by name over the layers
    sbatch: tuple[tuple[str, str], ...] = ()
    srun: tuple[str, ...] = ()  #: more options of srun, as `--OPTION=VALUE`
    #: `login`: on the machine of the launcher, for stages that need the internet. `with_input`: right after the
    #: finetune or model that it is made from and in the same task, if that is submitted at the same time (then only
    #: `ranks`, `threads` and `timeout_s` of this count); else in one task with what its stage makes of the same model,
    #: so that this is loaded once for all of them; a judgement is in the task of its answers, unless its reference is
    #: yet to be made by another
    where: Literal["nodes", "login", "with_input"] = "nodes"

    @property
    def gpus(self) -> int:
        """GPUs of the whole attempt."""
        return self.ranks * self.gpus_per_rank


def too_few(placed: Placement, tensor_parallel: int) -> tuple[str, str] | None:
    """What is wrong with a rank's GPUs where a model is spread over `tensor_parallel` of them, and what to type."""
    if placed.gpus_per_rank == tensor_parallel or tensor_parallel == 1:
        return None
    return (
        f"decoding.tensor_parallel is {tensor_parallel}, and a rank of generate has {placed.gpus_per_rank} GPUs",
        f"legal is the same; type stages: {{generate: {{gpus_per_rank: {tensor_parallel}}}}} in the cluster file",
    )


def plain(placed: Placement) -> dict[str, Any]:
    """A placement in JSON types; see restore."""
    return vars(placed) | {"container": placed.container and vars(placed.container)}


def num_gpus(raw: Mapping[str, Any]) -> int:
    """The GPUs of the whole attempt that a placement in plain types gave it, also one of an older version."""
    return int(raw.get("ranks", 1)) * int(raw.get("gpus_per_rank", 0))


def restore(raw: Mapping[str, Any]) -> Placement:
    """The placement that `plain` gave, also after a way through JSON; TypeError for what is none."""
    if not isinstance(raw, Mapping):
        raise TypeError("a placement is a mapping")
    inner = raw.get("container")
    return Placement(**_hashable(raw) | {"container": Container(**_hashable(inner)) if inner else None})


def _hashable(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as the tuples that they were."""

    def of(value: Any) -> Any:
        return tuple(map(of, value)) if isinstance(value, list) else value

    return {name: of(value) for name, value in raw.items()}


@dataclass(frozen=True)
class Placements:
    """How each stage is placed, and which labels are placed otherwise: the first pattern that fits a label decides."""

    by_stage: Mapping[str, Placement]
    by_label: tuple[tuple[str, str, Placement], ...] = ()  # (pattern, stage, placement)
    # finetunes by their labels, once it is known how many GPUs each gets whose placement is auto
    chosen: Mapping[str, Placement] = field(default_factory=dict)

    def of(self, stage: str, label: str) -> Placement:
        """The placement of one result; KeyError for a stage that there is not."""
        if stage == "finetune" and label in self.chosen:
            return self.chosen[label]
        return next(
            (p for pattern, s, p in self.by_label if s == stage and fnmatchcase(label, pattern)), self.by_stage[stage]
        )

    def unused(self, made: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Patterns, each with its stage, that decide for none of the results (stage, label): they fit no label, or an
        earlier one does.
        """
        asked = {(pattern, s): None for pattern, s, _ in self.by_label}
        for stage, label in made:
            fits = (pattern for pattern, s, _ in self.by_label if s == stage and fnmatchcase(label, pattern))
            asked.pop((next(fits, ""), stage), None)
        return list(asked)

    def all_of(self, stage: str) -> list[Placement]:
        """Every placement that a result of a stage may have."""
        return [self.by_stage[stage], *(p for _, s, p in self.by_label if s == stage)]

    def stages(self, where: str) -> set[str]:
        """Stages whose `where:` this is."""
        return {stage for stage, placed in self.by_stage.items() if placed.where == where}


@dataclass(frozen=True, kw_only=True)
class ClusterFile:
    """The top of a cluster file. A value of `labels` wins over one of `stages`, that over `all`, and that over
    `slurm/stages.yaml`.
    """

    kind: Literal["slurm", "local"] = "local"  #: who runs attempts: SLURM, or this machine
    all: Placement | None = None  #: resources of every stage
    stages: Mapping[str, Placement] | None = None  #: resources of a stage, by its name
    #: resources of some cells: a pattern of their labels such as `small-*`, then the stage; the first that fits decides
    labels: Mapping[str, Mapping[str, Placement]] | None = None
    #: experiment trackers that a run writes to when it ends, as `track.py` does
    track: tuple[Literal["wandb", "trackio", "tensorboard", "mlflow"], ...] = ()
    #: variable of the environment that has the address of messages, never the address itself
    notify: str = "WINSWEEP_NOTIFY"


@dataclass(frozen=True)
class Cluster:
    """A cluster file, read: whether SLURM or this machine runs attempts, and how."""

    kind: Literal["slurm", "local"]
    file: Path
    placements: Placements
    track: tuple[str, ...] = ()
    notify: str = ClusterFile.notify
