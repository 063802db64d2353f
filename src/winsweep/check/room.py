"""Whether disks and GPUs have room for what a study makes: by counts of parameters, coarse, so that only what cannot be
is a problem.
"""

import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from winsweep import layout
from winsweep.artifact import Artifact
from winsweep.check.early import Row
from winsweep.check.finding import Finding
from winsweep.costs.gpu_cost import num_parameters
from winsweep.placement import Placement, Placements
from winsweep.plan import Item

GB = 1e9
GpuGb = Callable[[Placement], float | None]
ITEM = {"fp32": 4, "bf16": 2}
# The most that a GPU of a name comes with, in GB: a coarse bound, as several are sold with less.
GPU_GB = {
    "p100": 16,
    "t4": 16,
    "v100": 32,
    "a10": 24,
    "a30": 24,
    "a40": 48,
    "l4": 24,
    "l40": 48,
    "l40s": 48,
    "a100": 80,
    "a800": 80,
    "h100": 94,
    "h800": 80,
    "h200": 141,
    "b200": 192,
    "gh200": 144,
    "rtx3090": 24,
    "rtx4090": 24,
    "rtx5090": 32,
    "a6000": 48,
    "mi250": 128,
    "mi300x": 192,
}


def rows(
    store: Path,
    placements: Placements,
    items: Sequence[Item],
    num_jobs: int | None,
    gpu_gb: GpuGb | None,
    facts: Mapping[str, Mapping[str, int]],
) -> Iterator[Row]:
    """`facts` of models by the label of their check, `num_jobs` attempts at once (None: as many as placements allow);
    no `gpu_gb`: there are no GPUs.
    """
    todo = [i.artifact for i in items if i.state != "done"]
    sizes = {a.key: size for a in todo if a.stage in ("finetune", "generate") and (size := _size(a, facts))}
    tuned = [a for a in todo if a.stage == "finetune"]
    if tuned:
        yield Row("machine", disk(store, placements, tuned, sizes, num_jobs))
    if gpu_gb:
        for stage in ("finetune", "generate"):
            placed = [a for a in todo if a.stage == stage and a.key in sizes]
            yield from (Row("machine", f) for f in gpus(placed, placements, sizes, gpu_gb))


def _size(a: Artifact, facts: Mapping[str, Mapping[str, int]]) -> float | None:
    """Parameters of the model that `a` is made from: as its files say, or its name."""
    at, check = a, a.gates.get("check")
    while check is None and (below := at.inputs.get("base") or at.inputs.get("finetune")):
        at, check = below, below.gates.get("check")
    return facts.get(check.key, {}).get("num_parameters") if check and check.key in facts else num_parameters(a)


def disk(
    store: Path, placements: Placements, tuned: Sequence[Artifact], sizes: Mapping[str, float], num_jobs: int | None
) -> Finding:
    """Checkpoints of the finetunes that may be under way at once, and every model, against what is free; quotas are not
    known.
    """
    known = sorted((a for a in tuned if a.key in sizes), key=lambda a: -sizes[a.key])
    if not known:
        return Finding("unknown", "disk", "nothing here says how large the models are")
    at_once = min(len(known), num_jobs or max(placements.of("finetune", a.label).throttle for a in known))
    item = [ITEM.get(a.plain_params["recipe"].get("precision"), 4) for a in known]
    checkpoints = sum((12 + n) * sizes[a.key] for a, n in list(zip(known, item, strict=True))[:at_once])
    wanted = checkpoints + sum(n * sizes[a.key] for a, n in zip(known, item, strict=True))
    free = shutil.disk_usage(_there(store)).free
    told = (
        f"{amount(free)} free at the store; up to {amount(wanted)} for {len(known)} models and the checkpoints of "
        f"{at_once} finetunes at once"
    )
    more = f" ({len(tuned) - len(known)} more of unknown size)" if len(known) < len(tuned) else ""
    if wanted > free:
        return Finding(
            "problem",
            "disk",
            told + more,
            "make room, name a larger disk by --store, or let fewer run at once (throttle:, --jobs)",
        )
    return Finding("ok", "disk", told + more)


def _there(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def gpus(
    of: Sequence[Artifact], placements: Placements, sizes: Mapping[str, float], gpu_gb: GpuGb
) -> Iterator[Finding]:
    """For each placement with GPUs the model that takes most of one, against its memory where its type is known."""
    placed: dict[Placement, list[Artifact]] = defaultdict(list)
    for a in of:
        placed[placements.of(a.stage, a.label)].append(a)
    for where, those in placed.items():
        if not where.gpus_per_rank:
            continue
        least, a = max(((gpu_bytes(a, sizes[a.key], where), a) for a in those), key=lambda pair: pair[0])
        has, told = gpu_gb(where), f"{amount(least)} at least for {a.label}"
        if has is None:
            yield Finding("unknown", f"GPU of {a.stage}", f"{told}; of which type it is, is not known here")
        elif least > has * GB:
            yield Finding(
                "problem",
                f"GPU of {a.stage}",
                f"{told}, on {where.ranks} rank{'s' if where.ranks > 1 else ''} with {where.zero}; it has {has:,.0f} "
                f"GB",
                "give it more ranks:, zero: zero3, or GPUs with more memory"
                if a.stage == "finetune"
                else "name GPUs with more memory",
            )
        else:
            yield Finding("ok", f"GPU of {a.stage}", f"{told}; it has {has:,.0f} GB")


def gpu_bytes(a: Artifact, size: float, where: Placement) -> float:
    """What weights, gradients and optimizer take of one GPU, without activations; 0 where DeepSpeed keeps some of it
    elsewhere.
    """
    if a.stage == "generate":
        return ITEM.get(a.plain_params["decoding"]["precision"], 4) * size
    item = ITEM.get(a.plain_params["recipe"].get("precision"), 4)
    zero = json.loads((layout.DS_CONFIGS / f"{where.zero}.json").read_bytes())["zero_optimization"]
    if "offload_optimizer" in zero or "offload_param" in zero:
        return 0.0
    share = 1 / where.ranks
    state = 12 * (share if zero["stage"] else 1) if item == 2 or zero["stage"] else 8
    return size * (item * (share if zero["stage"] == 3 else 1) + state + 4 * (share if zero["stage"] >= 2 else 1))


def amount(num_bytes: float) -> str:
    """A number of bytes as a person says it."""
    return f"{num_bytes / GB:,.1f} GB" if num_bytes >= GB else f"{num_bytes / 1e6:,.1f} MB"


def here() -> float | None:
    """Memory of this machine's smallest NVIDIA GPU in GB; None without one."""
    if shutil.which("nvidia-smi") is None:
        return None
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return (
            min((float(line) * 2**20 / GB for line in said.stdout.split()), default=None)
            if said.returncode == 0
            else None
        )
    except (subprocess.TimeoutExpired, ValueError):
        return None


def by_name(words: Sequence[str]) -> float | None:
    """Memory of the largest of some GPUs by their types (a100, nvidia_a100_80gb_pcie); None if any is not known."""
    found = [gb for word in words if (gb := _of_type(word)) is not None]
    return max(found, default=None) if len(found) == len(words) else None


def _of_type(word: str) -> float | None:
    """Memory of a GPU by the longest name of GPU_GB that its type has in it."""
    said = word.lower().replace("_", "").replace("-", "")
    return next((gb for name, gb in sorted(GPU_GB.items(), key=lambda x: -len(x[0])) if name in said), None)
