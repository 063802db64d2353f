"""Where and how a stage runs: nothing here can change a key, and no function that computes one sees it."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from winsweep import layout, node_environment, strict
from winsweep.errors import BadStudy
from winsweep.node_environment import Container
from winsweep.yaml_nodes import overlay, read_yaml

LOCAL = "local"
# stages that are placed as another is, where a cluster file does not place them: what is checked is checked there
LIKE = {"check_judge": "judge"}
OF_SLURM = ("partition", "account", "qos", "constraint", *node_environment.FIELDS)
WORD = re.compile(r"[A-Za-z0-9_.,:&|*@+=\[\]()/-]+")


@dataclass(frozen=True)
class Placement:
    """Resources of one attempt of one stage; read from slurm/stages.yaml and a cluster file."""

    ranks: int = strict.number(1, 1)  #: processes that train together, spread evenly over the nodes [processes]
    nodes: int = strict.number(1, 1)  #: nodes of an attempt; `ranks` must be a multiple of it [nodes]
    gpus_per_rank: int = strict.number(0, 0)  #: GPUs of each rank; without any, it runs on CPUs [GPUs]
    #: CPU threads of each rank; fixed, because sums depend on it in the last bit [threads]
    threads: int = strict.number(1, 1)
    zero: str = "zero1"  #: ZeRO stage: a file of `ds_configs/`, without `.json`
    #: tokens of one forward pass on one rank; 0: as many as fit into a GPU, or 2,048 on a CPU [tokens]
    micro_tokens: int = strict.number(0, 0)
    #: activations that the backward pass makes again: less memory, same numbers
    recompute: Literal["none", "cheap", "full"] = "none"
    #: steps between full-state checkpoints; 0: as often as costs 3 % of the time [optimizer steps]
    checkpoint_steps: int = strict.number(0, 0)
    #: write checkpoints behind the next steps, from a copy in the node's memory if there is room for one
    checkpoint_behind: bool = True
    #: longest wait of a rank for the others; a hung rank ends the attempt after it [seconds]
    timeout_s: float = strict.number(600.0, 1)
    #: a directory of each node, or a variable that names one (`TMPDIR`): base models are copied there and read from it
    scratch: str | None = None
    # What follows is SLURM's.
    time_min: int = strict.number(60, 1)  #: time limit of an attempt [minutes]
    #: how long before the limit an attempt is asked to save; SLURM may ask a minute earlier [seconds]
    signal_s: int = strict.number(90, 1)
    mem_gb: int | None = None  #: memory of each node; without it, the partition's default [GB]
    partition: str | None = None  #: SLURM partition
    account: str | None = None  #: SLURM account that is charged
    qos: str | None = None  #: SLURM quality of service
    constraint: str | None = None  #: features that a node must have, such as `a100|h100`
    throttle: int = strict.number(256, 1)  #: tasks of one array that run at once [tasks]
    #: kind of GPU, as `sinfo -o %G` names it
    gpu_type: str | None = None
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
    #: so that this is loaded once for all of them
    where: Literal["nodes", "login", "with_input"] = "nodes"

    @property
    def gpus(self) -> int:
        """GPUs of the whole attempt."""
        return self.ranks * self.gpus_per_rank


def plain(placed: Placement) -> dict[str, Any]:
    """A placement in JSON types; see restore."""
    return vars(placed) | {"container": placed.container and vars(placed.container)}


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

    def of(self, stage: str, label: str) -> Placement:
        """The placement of one result; KeyError for a stage that there is not."""
        return next(
            (p for pattern, s, p in self.by_label if s == stage and fnmatchcase(label, pattern)), self.by_stage[stage]
        )

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


@dataclass(frozen=True)
class Cluster:
    """A cluster file, read: whether SLURM or this machine runs attempts, and how."""

    kind: Literal["slurm", "local"]
    file: Path
    placements: Placements


def cluster_file(name: str, word: str = "--cluster", study: Path | None = None) -> Path:
    """The file that a person names with `word`: a path to one, or the name without .yaml of one in clusters/ of the
    current directory or beside the study, or else of one of slurm/clusters/; BadStudy lists those that there are.

    `local`, which nobody has to name, is always the one of slurm/clusters/: a study that others wrote brings none.
    """
    own = [Path("clusters"), *([study.parent / "clusters"] if study else [])]
    folders = [layout.CLUSTERS] if name == LOCAL else [*own, layout.CLUSTERS]
    if name.endswith(".yaml"):
        return Path(name)
    for folder in folders:
        if (file := folder / f"{name}.yaml").is_file() and "/" not in name:
            return file
    names = sorted({p.stem for folder in [*own, layout.CLUSTERS] for p in folder.glob("*.yaml")})
    raise BadStudy(f"{word}: found {name!r}; {strict.near(name, names)}; the path of a cluster file is legal, too")


def read_cluster(defaults: Path, file: Path, stages: Collection[str]) -> Cluster:
    """For a stage the word of `file`'s labels: decides, then of its stages:, then of its all:, then of `defaults`, then
    the type's own.

    BadStudy says file, line and what is legal; a value that could be more than a word to SLURM's shell is refused.
    """
    root, seen = read_yaml(file), strict.Findings()
    given = root.mapping()
    seen.of(strict.refuse_unknown, given, strict.keys(ClusterFile), root)
    kind: Literal["slurm", "local"] | None = seen.of(strict.option, ClusterFile, "kind", given)
    common, own = read_yaml(defaults), given.get("stages")
    patterns = list((seen.of(given["labels"].mapping) or {}).items()) if "labels" in given else []
    for node in [common, own, *(node for _, node in patterns)]:
        if node:
            seen.of(lambda node=node: strict.refuse_unknown(node.mapping(), sorted(stages), node))
    of_stages = (seen.of(own.mapping) or {}) if own else {}

    def placed(stage: str, *more: strict.Node) -> Placement | None:
        stage = stage if stage in of_stages else LIKE.get(stage, stage)
        return seen.of(_placement, [common.mapping().get(stage), given.get("all"), of_stages.get(stage), *more], root)

    of_labels = [node for _, of in patterns for node in (seen.of(of.mapping) or {}).values()]
    written = [given.get("all"), *of_stages.values(), *of_labels]
    if "kind" not in given:
        seen.of(_refuse_without_kind, root, written)
    elif kind == "local":
        seen.of(_refuse_on_local, written)
    by_stage = {stage: placed(stage) for stage in stages}
    by_label = [
        (pattern, stage, placed(stage, node))
        for pattern, of in patterns
        for stage, node in (seen.of(of.mapping) or {}).items()
        if stage in stages
    ]
    seen.stop()
    return Cluster(
        strict.present(kind),
        file,
        Placements(
            {stage: strict.present(p) for stage, p in by_stage.items()},
            tuple((pattern, stage, strict.present(p)) for pattern, stage, p in by_label),
        ),
    )


def _refuse_without_kind(root: strict.Node, nodes: Iterable[strict.Node | None]) -> None:
    """A file that names what is SLURM's means SLURM; taken for a local one, all would run where it is typed."""
    named = [name for node in nodes if node and isinstance(node.value, dict) for name in node.value if name in OF_SLURM]
    if named:
        raise root.error(f"kind is missing, and {named[0]} is SLURM's", "slurm and local are legal", "add kind: slurm")


def _refuse_on_local(nodes: Iterable[strict.Node | None]) -> None:
    """Attempts on this machine inherit the shell's environment: what only a SLURM job is given is refused by name."""
    seen = strict.Findings()
    for node in filter(None, nodes):
        given = seen.of(node.mapping) or {}
        for name in given.keys() & {*node_environment.FIELDS}:
            why = "legal with kind: slurm; attempts on this machine have the environment of sweep.py"
            seen.found.append(str(given[name].error(f"found {name} with kind: local", why, "leave it out")))
    seen.stop()


def _placement(layers: list[strict.Node | None], root: strict.Node) -> Placement:
    fields: dict[str, strict.Node] = {}
    seen, names = strict.Findings(), [f.name for f in dataclasses.fields(Placement)]
    for node in [n for n in layers if n]:
        seen.of(lambda node=node: strict.refuse_unknown(node.mapping(), names, node))
        for name, value in (seen.of(node.mapping) or {}).items():
            if name in names:
                is_merged = name in node_environment.MERGED and name in fields
                fields[name] = overlay(fields[name], value) if is_merged else value
    legal = {name: node for name, node in fields.items() if seen.of(node_environment.checked, name, node)}
    read: Placement | None = seen.of(strict.read_fields, Placement, _with_options(legal), root)
    for name, node in fields.items():
        if name not in node_environment.FREE and isinstance(node.value, str) and not WORD.fullmatch(node.value):
            why = "one word without spaces, quotes or line breaks is legal: it becomes part of a batch script"
            seen.found.append(str(node.error(f"found {node.value!r}", why)))
    if "zero" in fields and isinstance(name := fields["zero"].value, str):
        seen.of(_check_zero, name, fields["zero"])
    seen.stop()
    placed = strict.present(read)
    if placed.ranks % placed.nodes:
        at = fields.get("nodes", root)
        raise at.error(f"found {placed.ranks} ranks on {placed.nodes} nodes", "the same number on each node is legal")
    return placed


def _with_options(fields: dict[str, strict.Node]) -> dict[str, strict.Node]:
    """`fields` with the values of sbatch's options as text, whatever YAML read them as."""
    if "sbatch" not in fields:
        return fields
    at = fields["sbatch"]
    options = {
        name: strict.Node(node_environment.option(n), n.file, n.line, n.path) for name, n in at.mapping().items()
    }
    return fields | {"sbatch": strict.Node(options, at.file, at.line, at.path)}


def _check_zero(name: str, node: strict.Node) -> None:
    names = sorted(path.stem for path in layout.DS_CONFIGS.glob("*.json"))
    if name not in names:
        raise node.error(f"found {name!r}", strict.near(name, names))
