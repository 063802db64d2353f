"""How a cluster file is read: its layers, what may be said there, and where the files that have a name are."""

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

from winsweep import layout, node_environment, ownership, paths, strict
from winsweep.errors import BadStudy
from winsweep.gpu_memory import AUTO
from winsweep.placement import Cluster, ClusterFile, Placement, Placements
from winsweep.quoting import quoted
from winsweep.yaml_nodes import overlay, read_yaml

LOCAL = "local"  # this machine: always the example of that name
# stages that are placed as another is, where a cluster file does not place them: what is checked is checked there
LIKE = {"check_judge": "judge"}
FINETUNE = "finetune"
LOCAL_RANKS = 16  # that any machine may have, and more where it has the cores
OF_GPUS = ("ranks", "nodes", "gpus_per_rank")
LEFT_TO_US = {"gpus_per_rank": 1, "zero": AUTO, "recompute": AUTO}  # by placement: auto
OF_SLURM = ("partition", "account", "qos", "constraint", *node_environment.FIELDS)
WORD = re.compile(r"(?![-.])[A-Za-z0-9_.,:&|*@+=\[\]()/-]+")  # no option, and no way out of a directory


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
        if "/" not in name and paths.is_file(file := folder / f"{name}.yaml"):
            return file
    names = sorted({p.stem for folder in [*own, layout.CLUSTERS] for p in folder.glob("*.yaml")})
    raise BadStudy(
        f"{word}: found {quoted(name)}; {strict.near(name, names)}; the path of a cluster file is legal, too"
    )


def read_cluster(defaults: Path, file: Path, stages: Collection[str]) -> Cluster:
    """For a stage the word of `file`'s labels: decides, then of its stages:, then of its all:, then of `defaults`, then
    the type's own.

    BadStudy says file, line and what is legal; a value that could be more than a word to SLURM's shell is refused.
    """
    root, seen = read_yaml(file), strict.Findings()
    given = root.mapping()
    seen.of(strict.refuse_unknown, given, strict.keys(ClusterFile), root)
    kind: Literal["slurm", "local"] | None = seen.of(strict.option, ClusterFile, "kind", given)
    track: tuple[str, ...] = seen.of(strict.option, ClusterFile, "track", given) or ()
    notify = seen.of(_variable, given)
    common, own = read_yaml(defaults), given.get("stages")
    patterns = list((seen.of(given["labels"].mapping) or {}).items()) if "labels" in given else []
    for node in [common, own, *(node for _, node in patterns)]:
        if node:
            seen.of(lambda node=node: strict.refuse_unknown(node.mapping(), sorted(stages), node))
    of_stages = (seen.of(own.mapping) or {}) if own else {}

    def placed(stage: str, *more: strict.Node) -> Placement | None:
        stage = stage if stage in of_stages else LIKE.get(stage, stage)
        layers = [common.mapping().get(stage), given.get("all"), of_stages.get(stage), *more]
        return seen.of(_placement, stage, layers, root, kind == "slurm")

    of_labels = [node for _, of in patterns for node in (seen.of(of.mapping) or {}).values()]
    written = [given.get("all"), *of_stages.values(), *of_labels]
    if "kind" not in given:
        seen.of(_refuse_without_kind, root, written)
    if kind == "local":
        seen.of(_refuse_on_local, written, "kind" in given)
    _refuse_of_others(kind, file)
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
        track,
        strict.present(notify),
    )


def _refuse_of_others(kind: str | None, file: Path) -> None:
    """NotOwn where another user could have written a file for SLURM."""
    if kind == "slurm":
        ownership.refuse_others(file, "its setup lines and options run as yours")


def _variable(given: Mapping[str, strict.Node]) -> str:
    """The name of the variable with the address of messages; BadStudy for the address itself, which holds a secret."""
    name: str = strict.option(ClusterFile, "notify", given)
    if not node_environment.NAME.fullmatch(name):
        legal = "the name of a variable is legal, as an address holds a secret and this file is on disk"
        raise given["notify"].error(
            f"found a text of {len(name)} characters",
            legal,
            f"export {ClusterFile.notify}=… where sweep.py is called, and leave notify out",
        )
    return name


def _refuse_without_kind(root: strict.Node, nodes: Iterable[strict.Node | None]) -> None:
    """A file that names what is SLURM's means SLURM; taken for a local one, all would run where it is typed."""
    named = [name for node in nodes if node and isinstance(node.value, dict) for name in node.value if name in OF_SLURM]
    if named:
        raise root.error(f"kind is missing, and {named[0]} is SLURM's", "slurm and local are legal", "add kind: slurm")


def _refuse_on_local(nodes: list[strict.Node | None], is_said: bool) -> None:
    """Attempts on this machine inherit the shell's environment: what only a SLURM job is given is refused by name where
    the file says that it is for this machine, as it may mean another.
    """
    seen = strict.Findings()
    seen.of(_refuse_many_ranks, nodes)
    if not is_said:
        seen.stop()
        return
    for node in filter(None, nodes):
        given = seen.of(node.mapping) or {}
        for name in given.keys() & {*node_environment.FIELDS}:
            why = "legal with kind: slurm; attempts on this machine have the environment of sweep.py"
            seen.found.append(str(given[name].error(f"found {name} with kind: local", why, "leave it out")))
        if "nodes" in given and given["nodes"].value not in (1, None):
            found = f"found {strict.show(given['nodes'].value)} with kind: local"
            seen.found.append(str(given["nodes"].error(found, "1 is legal, which is this machine", "leave it out")))
    seen.stop()


def _refuse_many_ranks(nodes: Iterable[strict.Node | None]) -> None:
    """BadStudy for more processes than this machine could run side by side."""
    most = max(LOCAL_RANKS, 4 * (os.cpu_count() or 1))
    legal = f"{most} at most are legal, as this machine has {os.cpu_count()} cores"
    for node in filter(None, nodes):
        ranks = node.value.get("ranks") if isinstance(node.value, dict) else None
        if ranks is not None and isinstance(ranks.value, int) and ranks.value > most:
            raise ranks.error(f"found {ranks.value} with kind: local", legal, "type fewer, or kind: slurm")


def _placement(stage: str, layers: list[strict.Node | None], root: strict.Node, is_slurm: bool) -> Placement:
    fields: dict[str, strict.Node] = {}
    seen, names = strict.Findings(), [f.name for f in dataclasses.fields(Placement)]
    for node in [n for n in layers if n]:
        seen.of(lambda node=node: strict.refuse_unknown(node.mapping(), names, node))
        for name, value in (seen.of(node.mapping) or {}).items():
            if name in names:
                is_merged = name in node_environment.MERGED and name in fields
                fields[name] = overlay(fields[name], value) if is_merged else value
        fields = seen.of(_left_to_us, stage, node, fields, layers) or fields
    legal = {name: node for name, node in fields.items() if seen.of(node_environment.checked, name, node)}
    read: Placement | None = seen.of(strict.read_fields, Placement, _with_options(legal), root)
    for name, node in fields.items():
        if name not in node_environment.FREE and isinstance(node.value, str) and not WORD.fullmatch(node.value):
            why = "one word without spaces, quotes or line breaks, neither - nor . before it, is legal in a script"
            seen.found.append(str(node.error(f"found {quoted(node.value)}", why)))
    if "zero" in fields:
        seen.of(_check_zero, fields["zero"])
    seen.stop()
    placed = strict.present(read)
    if placed.ranks % placed.nodes:
        at = fields.get("nodes", root)
        raise at.error(f"found {placed.ranks} ranks on {placed.nodes} nodes", "the same number on each node is legal")
    if is_slurm and placed.signal_s >= 60 * placed.time_min:
        at = fields.get("signal_s", fields.get("time_min", root))
        found = f"found signal_s {placed.signal_s} and time_min {placed.time_min}, so that it saves at once"
        raise at.error(found, "less than the time limit is legal", "type a longer time_min or a smaller signal_s")
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


def _check_zero(node: strict.Node) -> None:
    names = [AUTO, *sorted(path.stem for path in layout.DS_CONFIGS.glob("*.json"))]
    if isinstance(node.value, str) and node.value not in names:
        raise node.error(f"found {quoted(node.value)}", strict.near(node.value, names))


def _left_to_us(
    stage: str, node: strict.Node, fields: dict[str, strict.Node], layers: list[strict.Node | None]
) -> dict[str, strict.Node]:
    """`fields` after a layer that may say placement: auto: what lower layers say of GPUs does not count then; BadStudy
    where the layer, or one above it, says how many there are, or where nothing of the stage is to be chosen.
    """
    auto = fields.get("placement")
    if auto is None or auto.value != AUTO:
        return fields
    if stage != FINETUNE:
        if node.mapping().get("placement") is auto and node is not layers[1]:  # all: says it of every stage
            raise auto.error(
                f"found {AUTO} for {stage}", f"{FINETUNE} alone is legal, as it has a choice", "leave it out"
            )
        return {name: value for name, value in fields.items() if name != "placement"}
    for name, value in node.mapping().items():
        if name in OF_GPUS and not (name == "gpus_per_rank" and value.value == 1):
            why = f"one of the two is legal, as auto chooses {name}"
            raise value.error(f"found {strict.show(value.value)} beside placement: auto", why, f"leave {name} out")
    if node.mapping().get("placement") is not auto:
        return fields
    left = {name: value for name, value in fields.items() if name not in (*OF_GPUS, "zero", "recompute")}
    own = {name: value for name, value in node.mapping().items() if name in ("zero", "recompute")}
    told = {name: strict.Node(value, auto.file, auto.line, auto.path) for name, value in LEFT_TO_US.items()}
    return left | told | own
