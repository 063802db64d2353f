"""Whether nodes of a partition can run what a placement asks for: time, nodes, GPUs, CPUs, memory and features."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from winsweep.check.finding import Finding
from winsweep.placement import Placement
from winsweep.slurm.inventory import Kind, Partition


def check_placement(placed: Placement, stages: str, found: Mapping[str, Partition]) -> Iterator[Finding]:
    """Partition, time and nodes of one placement."""
    partition = (
        found.get(placed.partition) if placed.partition else next((p for p in found.values() if p.is_default), None)
    )
    if partition is None:
        said = (
            f"{placed.partition!r} does not exist"
            if placed.partition
            else "none is named, and the cluster has no default"
        )
        yield Finding("problem", f"partition of {stages}", said, f"set partition: to one of {', '.join(found)}")
        return
    if not partition.is_up:
        yield Finding(
            "problem",
            f"partition of {stages}",
            f"{partition.name} is down",
            "name another, or ask the administrator when it is up",
        )
        return
    yield check_time(placed, stages, partition)
    yield check_room(placed, stages, partition)


def check_time(placed: Placement, stages: str, partition: Partition) -> Finding:
    """Whether the partition allows the time, and leaves some before the signal to save."""
    what, most = f"time of {stages}", partition.max_min
    if placed.time_min > most:
        return Finding(
            "problem",
            what,
            f"{placed.time_min} min; {partition.name} allows {most:.0f}",
            f"set time_min: {most:.0f} or less; an attempt that does not end in time saves, and goes on in its next "
            f"turn",
        )
    if placed.signal_s + 60 >= placed.time_min * 60:
        return Finding(
            "problem",
            what,
            f"{placed.time_min} min, and told to save {placed.signal_s} s (or a minute more) before that",
            "give it a longer time_min: or a smaller signal_s:",
        )
    return Finding(
        "ok", what, f"{placed.time_min} min; {partition.name} allows {'any' if math.isinf(most) else f'{most:.0f}'}"
    )


def check_room(placed: Placement, stages: str, partition: Partition) -> Finding:
    """Whether so many nodes of the partition have so many GPUs and CPUs, so much memory, and the features."""
    what = f"nodes of {stages}"
    if placed.nodes > partition.max_nodes:
        return Finding(
            "problem",
            what,
            f"{placed.nodes}; a job in {partition.name} may have {partition.max_nodes:.0f}",
            "set nodes: to that or less",
        )
    asked = {
        "GPUs": placed.gpus // placed.nodes,
        "CPUs": placed.threads * placed.ranks // placed.nodes,
        "GB of memory": placed.mem_gb or 0,
    }
    fitting = [
        k
        for k in partition.kinds
        if all(num <= has(k)[name] for name, num in asked.items()) and fits(placed.constraint, k)
    ]
    words = f"{placed.nodes} with {', '.join(f'{num} {name}' for name, num in asked.items() if num)}"
    num = sum(k.num for k in fitting)
    if num < placed.nodes:
        return Finding(
            "problem",
            what,
            f"{words} asked; {num} of {partition.name} fit: it has {describe(partition.kinds)}",
            advice(placed, partition, asked),
        )
    usable = sum(k.num for k in fitting if k.is_usable)
    if usable < placed.nodes:
        return Finding(
            "unknown",
            what,
            f"{words} asked; {num} of {partition.name} fit, but only {usable} are up",
            "jobs wait until more are back",
        )
    return Finding("ok", what, f"{words}; {num} of {partition.name} fit ({describe(fitting)})")


def has(kind: Kind) -> dict[str, float]:
    """What one node of a kind has, in the units of a placement."""
    return {"GPUs": kind.num_gpus, "CPUs": kind.cpus, "GB of memory": kind.mem_mb / 1024}


def fits(constraint: str | None, kind: Kind) -> bool:
    """Whether nodes have what a constraint of plain words (a|b, a&b) asks; any other form is left to sbatch."""
    if not constraint or not re.fullmatch(r"[\w.|&-]+", constraint):
        return True
    return any(all(word in kind.features for word in part.split("&")) for part in constraint.split("|"))


def describe(kinds: Sequence[Kind]) -> str:
    """Kinds of nodes, for a person."""
    return "; ".join(dict.fromkeys(map(describe_kind, kinds))) or "no nodes"


def describe_kind(k: Kind) -> str:
    """How many nodes of a kind there are and what each has."""
    return ", ".join(
        [f"{k.num} × {k.cpus} CPUs", f"{k.mem_mb // 1024} GB", *(f"{n} GPUs {t}".strip() for t, n in k.gpus.items())]
    )


def advice(placed: Placement, partition: Partition, asked: Mapping[str, int]) -> str:
    """Which of its own limits a placement could be brought under, each looked at alone."""
    most = {name: max((has(k)[name] for k in partition.kinds), default=0) for name in asked}
    if over := [f"{name}: {most[name]:.0f}" for name, num in asked.items() if num > most[name]]:
        return (
            f"the most on one node is {', '.join(over)}; ask for less on each node (ranks: over nodes:, threads:, "
            f"mem_gb:)"
        )
    if placed.constraint and not any(fits(placed.constraint, k) for k in partition.kinds):
        features = sorted(set().union(*(k.features for k in partition.kinds)))
        return f"no node has {placed.constraint}; constraint: may name {', '.join(features) or 'nothing here'}"
    return "set nodes: to less, or name another partition"
