"""A first cluster file, from what SLURM says that it has: legal, commented, and what the doctor accepts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from winsweep.cluster_file import WORD
from winsweep.errors import BadStudy, ClusterDown
from winsweep.slurm import inventory
from winsweep.slurm.inventory import Kind, Partition, Rights

TRAIN_MIN, MAKE_MIN, REST_MIN = (
    720,
    240,
    60,
)  # minutes that finetune, generate and the other stages ask for, if they may
MEM_GB = 16  # of a stage without a GPU
HEAD = """# The cluster {cluster}, as {name}. Written from what sinfo, scontrol and sacctmgr said; yours to edit.
# Then:  python launch/doctor.py {name} --store DIR-ON-THE-SHARED-DISK
# If jobs need them, add to all: setup: [module load cuda], env: {{HF_HOME: /shared/hf}},
# python: /shared/venv/bin/python, or a container: of yours.
#
# Partitions that you see (longest job; nodes):
{partitions}
{rights}"""


@dataclass(frozen=True)
class Answers:
    """What SLURM said: its settings, its partitions by name, and what this user may charge, if it keeps accounts."""

    config: Mapping[str, str]
    partitions: Mapping[str, Partition]
    rights: Rights | None


def ask() -> Answers:
    """ClusterDown if SLURM does not answer; a database that does not answer is as none."""
    config, found = inventory.settings(), inventory.partitions()
    try:
        return Answers(config, found, inventory.rights(config))
    except ClusterDown:
        return Answers(config, found, None)


def text(name: str, told: Answers) -> str:
    """The cluster file; BadStudy where no partition can run anything."""
    usable = [p for p in told.partitions.values() if p.is_up and WORD.fullmatch(p.name) and _nodes(p)]
    if not usable:
        raise BadStudy("no partition is up and has nodes that answer; legal is one that is; ask the administrator")
    rest = max(usable, key=lambda p: (p.is_default, not _gpus(p), _nodes(p)))
    with_gpus = [p for p in usable if _gpus(p)]
    gpu = max(with_gpus, key=lambda p: (p.is_default, _nodes(p, True), p.max_min), default=None)
    counts_memory = "MEMORY" in told.config.get("SelectTypeParameters", "").upper()
    common = _placement(rest, REST_MIN, 0, counts_memory) | ({} if gpu else {"gpus_per_rank": 0})
    lines = ["kind: slurm", "# What every stage asks for, unless it is named below.", f"all: {_flow(common)}"]
    lines += _gpu_stages(gpu, counts_memory) if gpu else ["# No partition that is up names GPUs.", "stages: {}"]
    head = HEAD.format(
        cluster=_comment(told.config.get("ClusterName", "of this machine")),
        name=name,
        partitions="\n".join(f"#   {_comment(_described(p))}" for p in told.partitions.values()),
        rights=_rights(told.rights),
    )
    return f"{head}\n" + "\n".join(lines) + "\n"


def _gpu_stages(gpu: Partition, counts_memory: bool) -> list[str]:
    def of(minutes: int) -> str:
        return _flow(_placement(gpu, minutes, 1, counts_memory))

    most = max(k.num_gpus for k in _usable(gpu))
    types = sorted({kind for k in _usable(gpu) for kind in k.gpus if kind})
    return [
        "stages:",
        f"  # One GPU each. More ranks train faster and change no key; a node has {most}: ranks: {most}, zero: zero3",
        "  # splits a large model over them.",
        *([f"  # gpu_type: NAME asks for one type: {_comment(', '.join(types))}."] if types else []),
        f"  finetune: {of(TRAIN_MIN)}",
        f"  generate: {of(MAKE_MIN)}",
        f"  rank: {of(MAKE_MIN)}",
        "  # Nodes without internet: prepare and judge run on the login node with {where: login}.",
    ]


def _placement(p: Partition, minutes: int, gpus: int, counts_memory: bool) -> dict[str, object]:
    """The fields of a stage; memory only where SLURM counts it, a GPU's share of the smallest node that has one."""
    kinds = [k for k in _usable(p) if k.num_gpus >= gpus]
    mem_gb = min(k.mem_mb // 1024 // (max(k.num_gpus, 1) if gpus else 1) for k in kinds)
    mem_gb = mem_gb if gpus else min(mem_gb, MEM_GB)
    fields: dict[str, object] = {"partition": p.name, "time_min": int(min(minutes, p.max_min))}
    fields |= {"gpus_per_rank": gpus} if gpus else {}
    if gpus:
        fields["threads"] = max(1, min([4, *(k.cpus // k.num_gpus for k in kinds)]))
    return fields | ({"mem_gb": mem_gb} if counts_memory and mem_gb else {})


def _usable(p: Partition) -> list[Kind]:
    return [k for k in p.kinds if k.is_usable]


def _nodes(p: Partition, with_gpus: bool = False) -> int:
    return sum(k.num for k in _usable(p) if k.num_gpus or not with_gpus)


def _gpus(p: Partition) -> int:
    return sum(k.num * k.num_gpus for k in _usable(p))


def _described(p: Partition) -> str:
    limit = "no limit" if math.isinf(p.max_min) else f"{p.max_min:.0f} min"
    kinds = "; ".join(dict.fromkeys(map(_kind, p.kinds))) or "no nodes"
    return f"{p.name}{' (default)' if p.is_default else ''}{'' if p.is_up else ' (down)'}: {limit}; {kinds}"


def _kind(k: Kind) -> str:
    gpus = [f"{num} GPUs {kind}".strip() for kind, num in k.gpus.items()]
    features = [f"constraint: {'|'.join(sorted(k.features))}"] if k.features else []
    state = [] if k.is_usable else [k.state]
    return ", ".join([f"{k.num} × {k.cpus} CPUs", f"{k.mem_mb // 1024} GB", *gpus, *features, *state])


def _rights(rights: Rights | None) -> str:
    if rights is None or not rights.qos:
        return "# No account is named, so SLURM takes your default."
    may = "; ".join(f"{account} (qos: {', '.join(sorted(qos)) or 'none'})" for account, qos in rights.qos.items())
    return (
        f"# Accounts that you may charge: {_comment(may)}. None is named below:\n"
        "# SLURM takes your default. For another add account: NAME, qos: NAME to all:."
    )


def _comment(words: str) -> str:
    """One line of a comment, whatever SLURM's names are."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _flow(fields: Mapping[str, object]) -> str:
    return yaml.safe_dump(dict(fields), default_flow_style=True, sort_keys=False, width=1000).strip()
