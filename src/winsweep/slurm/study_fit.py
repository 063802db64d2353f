"""Whether the models of a study fit the GPUs that a look at the nodes has shown, and the store's disk, before anything
is spent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from winsweep.artifact import Artifact
from winsweep.check import auto_placement, early, room
from winsweep.check.finding import Finding
from winsweep.check.needs import Facts, facts_of, longest, size_of
from winsweep.errors import BadStudy
from winsweep.placement import Cluster, Placement
from winsweep.slurm import machines
from winsweep.slurm.inventory import Partition
from winsweep.slurm.node_check import Seen
from winsweep.workspace import Workspace

TRAINED, ANSWERED = "finetune", "generate"
UNKNOWN_SIZE = (
    "nothing here says how large its model is",
    "fetch it first (sweep.py STUDY --prefetch), then ask again",
)


def findings(workspace: Workspace, cluster: Cluster, seen: Seen, found: Mapping[str, Partition]) -> Iterator[Finding]:
    """For each model, recipe and placement of what is still to be made: whether it fits the GPU that was seen there, or
    else one of those that the partitions `found` name, and what to type where it does not.
    """

    def machine(placed: Placement) -> auto_placement.Machine:
        told = machines.machine(placed, found)
        return replace(told, gpu_gb=seen.gpu_gb(placed) or told.gpu_gb)

    try:
        cluster, told = auto_placement.sized(workspace, cluster, machine)
    except BadStudy as e:
        yield from (Finding("problem", "placement: auto", why) for why in e.each)
        return
    for line in told:
        yield Finding("ok", "placement: auto", line.removeprefix("placement: auto: "))
    items = workspace.plan(workspace.facts())
    facts = early.models(workspace, items)[1]
    todo = [i.artifact for i in items if i.state != "done" and i.artifact.stage in (TRAINED, ANSWERED)]
    for a, placed in largest(todo, cluster, facts):
        size, has = size_of(a, facts), machine(placed).gpu_gb
        if size is None:
            yield Finding("unknown", f"{a.stage} of {a.label}", *UNKNOWN_SIZE)
        elif placed.gpus_per_rank:
            yield room.fits(a, placed, size, has, facts_of(a, facts))
    tuned = [a for a in todo if a.stage == TRAINED]
    if tuned:
        sizes = {a.key: size for a in tuned if (size := size_of(a, facts))}
        yield room.disk(workspace.store.root, cluster.placements, tuned, sizes, None, facts)


def largest(todo: Sequence[Artifact], cluster: Cluster, facts: Facts) -> Iterator[tuple[Artifact, Placement]]:
    """Of the results of each model and recipe in each placement the one with the longest rows, with its placement."""
    groups: dict[tuple[object, ...], tuple[Artifact, Placement]] = {}
    for a in todo:
        placed = cluster.placements.of(a.stage, a.label)
        recipe = a.plain_params.get("recipe", {})
        model = _model(a)
        key = (a.stage, placed, model, recipe.get("precision"), str(recipe.get("lora")), size_of(a, facts))
        before = groups.get(key)
        if before is None or longest(a, placed) > longest(before[0], placed):
            groups[key] = (a, placed)
    yield from groups.values()


def _model(a: Artifact) -> str:
    """The key of the base model that a result comes from, or its own parameters of one that nobody makes."""
    while below := a.inputs.get("base") or a.inputs.get("finetune"):
        a = below
    return a.key if a.stage == "pretrain" else str(a.plain_params.get("base"))
