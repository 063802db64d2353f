"""Whether a cluster file fits the cluster: each check a finding that says what is there and what to do."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.check.finding import Finding
from winsweep.errors import ClusterDown
from winsweep.placement import Cluster, Placement
from winsweep.slurm import inventory, limits, probe, sbatch
from winsweep.slurm.chain import Array
from winsweep.slurm.inventory import Kind, Partition, Rights
from winsweep.slurm.probe import Probed
from winsweep.store.store import Store

ENOUGH_TASKS = 1001  # SLURM's own default of MaxArraySize
SKEW_S = 10.0  # of clocks; heartbeats are trusted for a minute


def diagnose(cluster: Cluster, store: Path, wait_s: float) -> Iterator[Finding]:
    """Every check, one after the other; a node is waited for `wait_s` at most, and every question to SLURM has a time
    limit.
    """
    placed = by_placement(cluster)
    try:
        config, found = inventory.settings(), inventory.partitions()
    except ClusterDown as e:
        yield Finding("problem", "SLURM", str(e), "run this on a login node of the cluster, when it answers")
        return
    yield from check_controller(config)
    doubtful = set()  # what cannot run now, although the cluster has it: sbatch --test-only refuses that too
    for where, stages in placed.items():
        yield from (findings := list(check_placement(where, ", ".join(stages), found)))
        doubtful |= {where} if "unknown" in {f.verdict for f in findings} else set()
    yield from check_rights(list(placed), config)
    yield limits.check_limits(list(placed), config)
    accepted = []
    for where, stages in placed.items():
        yield (tested := check_sbatch(where, stages, where in doubtful))
        accepted += [where] if tested.verdict == "ok" else []
    yield from check_nodes(accepted, store, wait_s)
    here = sorted(cluster.placements.stages("login"))
    if here:
        yield Finding(
            "ok",
            "where: login",
            f"{', '.join(here)} run where sweep.py runs",
            "give it --watch, so that they run as soon as they can",
        )


def by_placement(cluster: Cluster) -> dict[Placement, list[str]]:
    """Every placement on nodes, with the stages (and the patterns of labels) that have it."""
    named = [(stage, p) for stage, p in cluster.placements.by_stage.items()]
    named += [(f"{stage} of {pattern}", p) for pattern, stage, p in cluster.placements.by_label]
    found: dict[Placement, list[str]] = {}
    for name, p in named:
        if p.where != "login":
            found.setdefault(p, []).append(name)
    return found


def check_controller(config: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding("ok", "SLURM", f"{config.get('SLURM_VERSION', 'of an unknown version')} answers")
    size = int(config.get("MaxArraySize", "0"))
    if size < 2:
        yield Finding(
            "problem",
            "job arrays",
            f"MaxArraySize is {size}",
            "job arrays are switched off; ask the administrator to allow them",
        )
    else:
        yield Finding(
            "ok", "job arrays", f"up to {size} tasks each", "" if size >= ENOUGH_TASKS else "more become several arrays"
        )
    if config.get("JobRequeue") == "0":
        yield Finding("ok", "requeue", "off unless a job asks for it", "these jobs do")


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
    return {"GPUs": kind.num_gpus, "CPUs": kind.cpus, "GB of memory": kind.mem_mb / 1024}


def fits(constraint: str | None, kind: Kind) -> bool:
    """Whether nodes have what a constraint of plain words (a|b, a&b) asks; any other form is left to sbatch."""
    if not constraint or not re.fullmatch(r"[\w.|&-]+", constraint):
        return True
    return any(all(word in kind.features for word in part.split("&")) for part in constraint.split("|"))


def describe(kinds: Sequence[Kind]) -> str:
    return "; ".join(dict.fromkeys(map(describe_kind, kinds))) or "no nodes"


def describe_kind(k: Kind) -> str:
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


def check_rights(placements: Sequence[Placement], config: Mapping[str, str]) -> Iterator[Finding]:
    """Account and QOS of every placement that names one."""
    pairs = [(account, qos) for account, qos in dict.fromkeys((p.account, p.qos) for p in placements) if account or qos]
    if not pairs:
        yield Finding("ok", "account and QOS", "none is named, so SLURM takes your defaults")
        return
    try:
        rights = inventory.rights(config)
        yield from (check_right(account, qos, rights) for account, qos in pairs)
    except ClusterDown as e:
        yield Finding("unknown", "account and QOS", str(e), "try again when its database answers")


def check_right(account: str | None, qos: str | None, rights: Rights | None) -> Finding:
    what = " and ".join([f"account {account}"] * bool(account) + [f"QOS {qos}"] * bool(qos))
    if rights is None:
        return Finding(
            "unknown",
            what,
            "cannot be checked without accounting",
            "if the cluster has none, leave account: and qos: out",
        )
    verdict = "problem" if rights.enforced else "unknown"
    if account and account not in rights.qos:
        return Finding(
            verdict,
            what,
            f"{rights.user} may charge {', '.join(sorted(rights.qos)) or 'no account'}",
            "set account: to one of these",
        )
    legal = rights.qos[account] if account else frozenset().union(*rights.qos.values())
    if qos and qos not in legal:
        return Finding(
            verdict, what, f"{rights.user} may ask for {', '.join(sorted(legal)) or 'none'}", "set qos: to one of these"
        )
    return Finding("ok", what, f"{rights.user} may use it")


def check_sbatch(placed: Placement, stages: Sequence[str], doubtful: bool) -> Finding:
    array = Array(placed, ((Artifact(stages[0].partition(" ")[0], 1, "test", {}, {}),),), ())
    what = f"sbatch --test-only of {', '.join(stages)}"
    try:
        why = sbatch.refusal(array)
    except ClusterDown as e:
        return Finding("unknown", what, str(e))
    if why and doubtful:
        return Finding("unknown", what, why, "try again when more nodes are up")
    return (
        Finding("problem", what, why, "the lines above say what this cluster has")
        if why
        else Finding("ok", what, "accepted")
    )


def check_nodes(placements: Sequence[Placement], store: Path, wait_s: float) -> Iterator[Finding]:
    """One small job in each partition: whether its nodes see the store, and have the Python and packages of this
    machine.
    """
    one_each: dict[str | None, Placement] = {}
    for p in sorted(placements, key=lambda p: p.gpus):
        one_each.setdefault(p.partition, p)
    for placed in one_each.values():
        what = f"a job in {placed.partition or 'the default partition'}"
        try:
            skew_s = probe.ahead_s(Store(store).open().root / "store.json")
            yield from check_probed(
                what, store, probe.send(Store(store), placed, wait_s), probe.circumstances(), skew_s
            )
        except OSError as e:
            yield Finding(
                "problem",
                "store",
                f"{store}: {e}",
                "name a directory on the shared disk that you can write: --store DIR",
            )
            return
        except ClusterDown as e:
            yield Finding("problem", what, str(e))


def check_probed(what: str, store: Path, got: Probed, here: Mapping, ahead_s: float) -> Iterator[Finding]:
    """What a node saw, compared with what is `here`; `ahead_s` is how far this machine's clock is ahead of the disk's."""
    if got.seen is None and got.waits:
        yield Finding(
            "unknown",
            what,
            f"it {got.why}, and the time to wait is over",
            "try again when the cluster is less busy, or with a longer --wait",
        )
        return
    if got.seen is None:
        yield Finding(
            "problem",
            what,
            f"no answer: {got.why}",
            f"nodes must see {store}, and the Python of this command: {here['executable']}",
        )
        return
    node = got.seen["node"]
    yield Finding("ok", what, f"ran on {node}")
    if got.seen["finds_letter"]:
        yield Finding("ok", f"store on {node}", f"{store} is read and written from here and from there")
    else:
        yield Finding(
            "problem",
            f"store on {node}",
            f"it does not see in {store} what was written here",
            "name a directory on the shared disk: --store DIR",
        )
    yield compare(node, here, got.seen)
    skew_s = ahead_s - got.seen["ahead_s"]
    bad = max(map(abs, (skew_s, ahead_s, got.seen["ahead_s"]))) > SKEW_S
    yield Finding(
        "problem" if bad else "ok",
        f"clock of {node}",
        f"{abs(skew_s):.0f} s from this machine's, which is {abs(ahead_s):.0f} s from the disk's",
        "have the clocks set (NTP): whether an attempt lives is told by the age of a file" if bad else "",
    )


def compare(node: str, here: Mapping, there: Mapping) -> Finding:
    """Whether Python and the packages have the same versions on a node as here."""
    ours, theirs = ({"Python": x["python"], **x["packages"]} for x in (here, there))
    pairs = [(n, ours.get(n, "missing"), theirs.get(n, "missing")) for n in sorted(ours.keys() | theirs.keys())]
    differ = [f"{n} {one} here, {other} there" for n, one, other in pairs if one != other]
    if differ:
        return Finding(
            "problem",
            f"Python of {node}",
            "; ".join(differ),
            "use one environment, on the shared disk or made alike everywhere",
        )
    return Finding(
        "ok", f"Python of {node}", f"{ours['Python']}, winsweep and {len(here['packages'])} packages as here"
    )
