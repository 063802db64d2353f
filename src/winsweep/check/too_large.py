"""Which cells cannot be made, by the memory model, with the GPUs, node and disk that they would get: they are told with
what would fit, and left out before anything is spent.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from pathlib import Path

from winsweep import gpu_memory, screen
from winsweep.artifact import Artifact
from winsweep.check import early, room
from winsweep.check.finding import Finding
from winsweep.check.needs import Facts, facts_of, longest, size_of
from winsweep.gpu_memory import AUTO
from winsweep.placement import Cluster, Placement, Placements
from winsweep.plan import Item
from winsweep.workspace import Workspace

OPEN = ("ready", "waiting", "failed", "blocked")  # what is under way is left alone
Asked = tuple[Artifact, Placement]


def without(
    workspace: Workspace, items: Sequence[Item], cluster: Cluster, gpu_gb: Callable[[Placement], float | None]
) -> tuple[Workspace, list[str]]:
    """The workspace less the cells that do not fit, and a line for each model that does not, in each way that it would
    be run; or itself, and no line. `gpu_gb` is asked where a cluster file does not say how large its GPUs are.
    """
    asked = _asked(items, cluster.placements)
    if not asked:
        return workspace, []
    facts, begun = early.models(workspace, items)[1], workspace.store.begun()
    wrong: set[str] = set()
    lines = []
    for (a, placed), alike in _alike(asked, facts).items():
        finding = _finding(workspace.store.root, a, placed, gpu_gb, facts, begun)
        if finding.verdict == "problem":
            wrong |= {one.key for one in alike}
            lines.append(_line(cluster.file, alike, finding))
    if not wrong:
        return workspace, []
    return workspace.less(wrong), lines


def _line(file: Path, alike: Sequence[Artifact], finding: Finding) -> str:
    labels = screen.few([a.label for a in alike])
    go_on = f"stages: {{{alike[0].stage}: {{check_memory: false}}}} runs it all the same"
    return f"{file}: {labels}: {finding.what}: {finding.text}; this is an estimate: {go_on}"


def _asked(items: Sequence[Item], placements: Placements) -> list[Asked]:
    """What is still to be made on GPUs whose number is given; answers in the task of a finetune have its GPUs."""
    todo = [i.artifact for i in items if i.state in OPEN and i.artifact.stage in ("finetune", "generate")]
    asked = [(a, placements.of(a.stage, a.label)) for a in todo]
    return [
        (a, placed)
        for a, placed in asked
        if placed.gpus_per_rank and placed.check_memory and placed.placement != AUTO
        if placed.where != "with_input" or a.stage == "finetune"
    ]


def _alike(asked: Sequence[Asked], facts: Facts) -> dict[Asked, list[Artifact]]:
    """One for all of the same size that are run in the same way, to all of them; none of those of unknown size."""
    first: dict[tuple[object, ...], Asked] = {}
    alike: dict[Asked, list[Artifact]] = defaultdict(list)
    for a, placed in asked:
        if (size := size_of(a, facts)) is None:
            continue
        recipe, decoding = a.plain_params.get("recipe", {}), a.plain_params.get("decoding", {})
        how = (*map(recipe.get, ("precision", "lora")), *map(decoding.get, ("precision", "tensor_parallel")))
        same = (a.stage, placed, size, longest(a, placed), str((facts_of(a, facts), how)))
        alike[first.setdefault(same, (a, placed))].append(a)
    return alike


def _finding(
    store: Path,
    a: Artifact,
    placed: Placement,
    gpu_gb: Callable[[Placement], float | None],
    facts: Facts,
    begun: Set[str],
) -> Finding:
    """The first problem of GPU, node and disk, or what is said of the GPU."""
    size, known = size_of(a, facts) or 0.0, facts_of(a, facts)
    has = placed.gpu_memory_gb or gpu_memory.by_name([placed.gpu_type] if placed.gpu_type else []) or gpu_gb(placed)
    on_gpu = room.fits(a, placed, size, has, known)
    if on_gpu.verdict == "problem" or a.stage != "finetune":
        return on_gpu
    on_node = room.node(a, placed, size, has, known)
    if on_node.verdict == "problem":
        return on_node
    return room.own_disk(store, a, size, known) if a.key not in begun else on_gpu
