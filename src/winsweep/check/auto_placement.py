"""How many GPUs each finetune gets where its placement says auto: the fewest that hold it, by the memory of those that
it may get. Which ZeRO stage and recomputation it then runs with is chosen on its node (train.room), by its own rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from winsweep import gpu_memory, layout, screen
from winsweep.artifact import Artifact
from winsweep.check import early
from winsweep.check.needs import Facts, facts_of, longest, model_of, size_of
from winsweep.check.room import amount
from winsweep.errors import BadStudy
from winsweep.gpu_memory import AUTO, GB, ITEM, Choice, Model
from winsweep.placement import Cluster, Placement
from winsweep.workspace import Workspace
from winsweep.zero import read_all

STATE_SHARE = 0.75  # of a GPU that weights, gradients and optimizer may take where activations are not known
MOST_NODES = 8  # of one finetune
OFFLOAD = "offload_optimizer"
Zeros = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Machine:
    """What a finetune may get: GPUs of a node and nodes that have so many; memory of the smallest in GB, None where it
    is not known.
    """

    gpu_gb: float | None
    gpus: int
    nodes: int = 1


@dataclass(frozen=True)
class Pick:
    """GPUs, one for each rank, on so many nodes, and what is expected to be chosen there."""

    gpus: int
    nodes: int
    expected: Choice


Machines = Callable[[Placement], Machine]


def sized(workspace: Workspace, cluster: Cluster, machines: Machines) -> tuple[Cluster, list[str]]:
    """The cluster with the ranks and nodes of each finetune that is still to be made and whose placement is auto, and a
    line for each choice, which says why.

    BadStudy where the memory of the GPUs or the size of a model is not known, or nothing there is holds it.
    """
    picks, unplaced = _picks(workspace, cluster, machines)
    if unplaced:
        raise BadStudy("\n".join(_lines(f"{cluster.file}: placement: auto for", unplaced)))
    placed = cluster.placements
    chosen = {
        a.label: replace(placed.of("finetune", a.label), ranks=pick.gpus, nodes=pick.nodes)
        for a, (pick, _) in picks.items()
        if pick
    }
    told = _lines("placement: auto:", {a: why for a, (_, why) in picks.items()})
    return replace(cluster, placements=replace(placed, chosen={**placed.chosen, **chosen})) if picks else cluster, told


def without(workspace: Workspace, cluster: Cluster, machines: Machines) -> tuple[Workspace, list[str]]:
    """The workspace less the cells whose finetunes `sized` would refuse, and a line for each reason; or itself, and no
    line.
    """
    unplaced = _picks(workspace, cluster, machines)[1]
    if not unplaced:
        return workspace, []
    return workspace.less({a.key for a in unplaced}), _lines(f"{cluster.file}: placement: auto for", unplaced)


def _lines(what: str, told: Mapping[Artifact, str]) -> list[str]:
    """A line for each text, with the labels that it is of."""
    lines: dict[str, list[str]] = {}
    for a, why in told.items():
        lines.setdefault(why, []).append(a.label)
    return [f"{what} {screen.few(labels)}: {why}" for why, labels in lines.items()]


def _picks(
    workspace: Workspace, cluster: Cluster, machines: Machines
) -> tuple[dict[Artifact, tuple[Pick | None, str]], dict[Artifact, str]]:
    """What is chosen for each finetune that is still to be made and whose placement is auto, with why; and for which
    nothing can be, with why not.
    """
    placements = cluster.placements
    if all(placed.placement != AUTO for placed in placements.all_of("finetune")):
        return {}, {}
    items = workspace.plan(workspace.facts())
    open_ones = [i.artifact for i in items if i.artifact.stage == "finetune" and i.state != "done"]
    mine = {a: placed for a in open_ones if (placed := placements.of("finetune", a.label)).placement == AUTO}
    picks: dict[Artifact, tuple[Pick | None, str]] = {}
    unplaced: dict[Artifact, str] = {}
    if not mine:
        return {}, {}
    found = _Chooser(early.models(workspace, items)[1], machines)
    for a, placed in mine.items():
        try:
            picks[a] = found.pick(a, placed)
        except BadStudy as e:
            unplaced[a] = str(e)
    return picks, unplaced


class _Chooser:
    """Choices for finetunes; those of the same model, recipe and placement are worked out once."""

    def __init__(self, facts: Facts, machines: Machines) -> None:
        self.facts, self.machine = facts, cache(machines)
        self.zeros = read_all(layout.DS_CONFIGS)
        self.known: dict[tuple[object, ...], tuple[Pick | None, str]] = {}

    def pick(self, a: Artifact, placed: Placement) -> tuple[Pick | None, str]:
        """How many GPUs a finetune gets, None for one rank as it stands, and why; or BadStudy."""
        if is_made_here(a):
            return None, "1 rank, as the study makes the model itself on one"
        if not (machine := self.machine(placed)).gpus:
            return None, "1 rank on the CPU, as no GPU is seen"
        size = size_of(a, self.facts)
        if size is None:
            raise BadStudy(
                "nothing here says how large its model is; legal is a model whose files are at hand, or whose "
                "name tells its size; type --prefetch first, or ranks: and zero: in place of placement: auto"
            )
        if machine.gpu_gb is None:
            raise BadStudy(
                "the memory of its GPUs is not known here; legal is a type that tells it, or its size in GB; "
                "type gpu_memory_gb: NUMBER beside it in the cluster file"
            )
        facts, tokens = facts_of(a, self.facts), longest(a, placed)
        model = model_of(a, size, facts, ITEM.get(a.plain_params["recipe"].get("precision"), 4), tokens)
        key = (placed, size, model.trained, model.untrained, model.quantized, model.item, *model.activations.items())
        if key not in self.known:
            self.known[key] = chosen(model, self.zeros, placed, machine)
        return self.known[key]


def is_made_here(a: Artifact) -> bool:
    """Whether a finetune's base model is pretrained by the study itself, and so a small one."""
    while below := a.inputs.get("base"):
        a = below
    return a.stage == "pretrain"


def chosen(model: Model, zeros: Zeros, placed: Placement, machine: Machine) -> tuple[Pick, str]:
    """The fewest GPUs that hold a model, and why; BadStudy where none do."""
    gpu_gb = machine.gpu_gb or 0.0
    if pick := fewest(model, zeros, placed, machine):
        need = gpu_memory.needed(model, zeros[pick.expected.zero], pick.gpus, pick.expected.recompute)
        peak = f"{amount(need.peak)} of {gpu_gb:,.0f} GB each"
        return pick, f"{_words(pick)}, the fewest that hold it: {peak}, {_how(model, pick.expected)}"
    most = machine.gpus * min(machine.nodes, MOST_NODES)
    choice, need = gpu_memory.least(model, zeros, most, placed.zero, placed.recompute)
    has = f"{gpu_gb:,.0f} GB"
    if need.state <= gpu_memory.USABLE * gpu_gb * GB and model.activations:
        raise BadStudy(
            f"rows of the longest length need {amount(need.peak)} of a GPU, which has {has}, on however many "
            f"GPUs; legal is what fits; lower recipe.max_tokens, or name GPUs with more memory"
        )
    raise BadStudy(
        f"{amount(need.peak)} of each of {most} GPUs at least (with {choice.zero}), and they have {has}; legal "
        f"is what fits; name GPUs with more memory or a partition with more nodes, or train adapters (recipe.lora)"
    )


def fewest(model: Model, zeros: Zeros, placed: Placement, machine: Machine) -> Pick | None:
    """The fewest GPUs, on the fewest nodes, that hold a model with all of it on them; else the GPUs of a node with the
    optimizer in its own memory; None if that does not fit.
    """
    num_bytes = (machine.gpu_gb or 0.0) * GB * (1.0 if model.activations else STATE_SHARE)
    on_gpu = {name: zero for name, zero in zeros.items() if zero.get(OFFLOAD, {}).get("device", "none") == "none"}
    for gpus, nodes in counts(machine):
        if choice := _fitting(model, on_gpu, placed, gpus, num_bytes):
            return Pick(gpus, nodes, choice)
    choice = _fitting(model, zeros, placed, machine.gpus, num_bytes)
    return Pick(machine.gpus, 1, choice) if choice else None


def _fitting(model: Model, zeros: Zeros, placed: Placement, gpus: int, num_bytes: float) -> Choice | None:
    if placed.zero != AUTO and placed.zero not in zeros:
        return None
    return gpu_memory.fitting(model, zeros, gpus, num_bytes, placed.zero, placed.recompute)


def counts(machine: Machine) -> Iterator[tuple[int, int]]:
    """GPUs and nodes, the fewest first: powers of two up to the GPUs of a node, then two, four, eight whole nodes."""
    gpus = 1
    while gpus < machine.gpus:
        yield gpus, 1
        gpus *= 2
    nodes = 1
    while nodes <= min(machine.nodes, MOST_NODES):
        yield nodes * machine.gpus, nodes
        nodes *= 2


def _words(pick: Pick) -> str:
    nodes = f" on {pick.nodes} nodes" if pick.nodes > 1 else ""
    return f"{pick.gpus} GPU{'s' if pick.gpus > 1 else ''}{nodes} a cell"


def _how(model: Model, choice: Choice) -> str:
    said = f"{choice.zero}, recompute: {choice.recompute} by what is known here; the node chooses by its own rows"
    if not model.activations:
        said += f". Activations are not known here: {1 - STATE_SHARE:.0%} of a GPU is left for them"
    return said
