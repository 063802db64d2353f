"""Whether a cluster file fits the cluster: each check a finding that says what is there and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.check.finding import Finding, Verdict
from winsweep.errors import ClusterDown
from winsweep.placement import Cluster, Placement
from winsweep.slurm import inventory, limits, options_check, sbatch, study_fit
from winsweep.slurm.chain import Array
from winsweep.slurm.inventory import Rights
from winsweep.slurm.node_check import Seen, check_nodes
from winsweep.slurm.partition_check import check_placement
from winsweep.workspace import open_workspace

ENOUGH_TASKS = 1001  # SLURM's own default of MaxArraySize


def diagnose(cluster: Cluster, store: Path, wait_s: float, study: Path | None = None) -> Iterator[Finding]:
    """Every check, one after the other, and whether the models of a study fit; a node is waited for `wait_s` at most,
    and every question to SLURM has a time limit.
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
    yield from check_options(placed)
    accepted = []
    for where, stages in placed.items():
        yield (tested := check_sbatch(where, stages, where in doubtful))
        accepted += [where] if tested.verdict == "ok" else []
    yield from check_nodes(accepted, store, wait_s, seen := Seen())
    if study:
        yield from study_fit.findings(open_workspace(study, store, lenient=True), cluster, seen, found)
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
    """Version, job arrays and requeueing, as slurm.conf has them."""
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
    """Whether `rights` allow this account and QOS; unknown where SLURM does not enforce them."""
    what = " and ".join([f"account {account}"] * bool(account) + [f"QOS {qos}"] * bool(qos))
    if rights is None:
        return Finding(
            "unknown",
            what,
            "cannot be checked without accounting",
            "if the cluster has none, leave account: and qos: out",
        )
    verdict: Verdict = "problem" if rights.enforced else "unknown"
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


def check_options(placed: Mapping[Placement, Sequence[str]]) -> Iterator[Finding]:
    """Whether the srun of this machine reads the options that placements give it."""
    for where, stages in placed.items():
        if where.srun and (said := options_check.unread(where.srun)):
            what, told = f"srun of {', '.join(stages)}", "correct srun: in the cluster file"
            if options_check.of_a_plugin(said):
                yield Finding("unknown", what, said, f"see whether a plugin of the nodes knows it, or {told}")
            else:
                yield Finding("problem", what, said, told)


def check_sbatch(placed: Placement, stages: Sequence[str], doubtful: bool) -> Finding:
    """Whether sbatch --test-only takes an array of this placement; unknown where nodes are down (`doubtful`)."""
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
