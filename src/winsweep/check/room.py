"""Whether disks and GPUs have room for what a study makes: by counts of parameters, coarse, so that only what cannot be
is a problem.
"""

import math
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from winsweep import gpu_memory, layout
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.check.early import Row
from winsweep.check.finding import Finding
from winsweep.check.needs import answering_bytes, facts_of, longest, model_of, size_of, state_bytes
from winsweep.errors import BadStudy
from winsweep.gpu_memory import GB, ITEM
from winsweep.placement import Placement, Placements, too_few
from winsweep.plan import Item
from winsweep.zero import read_all

UNKNOWN = "of which type it is, is not known here"
NAME_IT = "say it by gpu_memory_gb: in the cluster file"
GpuGb = Callable[[Placement], float | None]


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
    sizes = {a.key: size for a in todo if a.stage in ("finetune", "generate") and (size := size_of(a, facts))}
    tuned = [a for a in todo if a.stage == "finetune"]
    if tuned:
        yield Row("machine", disk(store, placements, tuned, sizes, num_jobs, facts))
    if gpu_gb:
        for stage in ("finetune", "generate"):
            placed = [a for a in todo if a.stage == stage and a.key in sizes]
            yield from (Row("machine", f) for f in gpus(placed, placements, sizes, gpu_gb, facts))


def refuse_few(file: Path, wanted: Iterable[Artifact], placements: Placements) -> None:
    """BadStudy where a placement would end the attempt: a model is to be spread over other GPUs than its ranks have
    (vLLM), or what is recomputed would be in pieces (ZeRO 3).
    """
    for a in wanted:
        if a.stage == "finetune" and (placed := placements.of(a.stage, a.label)).recompute == "cheap":
            _refuse_pieces(f"{file}: {a.label}", placed)
        shared = a.plain_params["decoding"].get("tensor_parallel", 1) if a.stage == "generate" else 1
        if shared > 1 and (why := too_few(placements.of(a.stage, a.label), shared)):
            raise BadStudy(f"{file}: {a.label}: {'; '.join(why)}")


def _refuse_pieces(where: str, placed: Placement) -> None:
    """BadStudy where ZeRO would gather weights in the middle of what is recomputed."""
    if read_all(layout.DS_CONFIGS).get(placed.zero, {}).get("stage") == 3:
        raise BadStudy(
            f"{where}: recompute is cheap with zero: {placed.zero}, which is ZeRO stage 3; none, full and auto are "
            "legal with it; type recompute: full"
        )


def disk(
    store: Path,
    placements: Placements,
    tuned: Sequence[Artifact],
    sizes: Mapping[str, float],
    num_jobs: int | None,
    facts: Mapping[str, Mapping[str, int]],
) -> Finding:
    """Checkpoints of the finetunes that may be under way at once, and every model, against what is free; quotas are not
    known. A checkpoint goes when its finetune is published, before the model is collected from that beside it.
    """
    known = sorted((a for a in tuned if a.key in sizes), key=lambda a: -sizes[a.key])
    if not known:
        return Finding("unknown", "disk", "nothing here says how large the models are")
    at_once = min(len(known), num_jobs or max(placements.of("finetune", a.label).throttle for a in known))
    states = [state_bytes(a, sizes[a.key], facts_of(a, facts)) for a in known]
    wanted = sum(state for state, _ in states[:at_once]) + sum(model for _, model in states)
    free = shutil.disk_usage(_there(store)).free
    told = (
        f"{amount(free)} free at the store; up to {amount(wanted)} for {plural(len(known), 'model')} and the "
        "checkpoints of "
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
    of: Sequence[Artifact],
    placements: Placements,
    sizes: Mapping[str, float],
    gpu_gb: GpuGb,
    facts: Mapping[str, Mapping[str, int]],
) -> Iterator[Finding]:
    """For each placement with GPUs the model that takes most of one, against its memory where its type is known."""
    placed: dict[Placement, list[Artifact]] = defaultdict(list)
    for a in of:
        placed[placements.of(a.stage, a.label)].append(a)
    for where, those in placed.items():
        if where.gpus_per_rank:
            has = where.gpu_memory_gb or gpu_memory.by_name([where.gpu_type] if where.gpu_type else [])
            largest = max(those, key=lambda a: (sizes[a.key], longest(a, where)))
            yield fits(largest, where, sizes[largest.key], has or gpu_gb(where), facts_of(largest, facts))


def fits(a: Artifact, where: Placement, size: float, has: float | None, facts: Mapping[str, int]) -> Finding:
    """Whether a finetune or answers of a model of `size` parameters fit a GPU that `has` so many GB, if known."""
    return (_answers if a.stage == "generate" else _finetune)(a, where, size, has, facts)


def _answers(a: Artifact, where: Placement, size: float, has: float | None, facts: Mapping[str, int]) -> Finding:
    decoding = a.plain_params["decoding"]
    shared = decoding.get("tensor_parallel", 1)
    least = answering_bytes(a, size, facts) / shared
    told = f"{amount(least)} at least for {a.label}{f' on each of {shared} GPUs' * (shared > 1)}"
    what = "GPU of generate"
    if why := too_few(where, shared):
        return Finding("problem", what, *why)
    if has is None:
        return Finding("unknown", what, f"{told}; {UNKNOWN}", NAME_IT)
    if least > has * GB:
        more = f"decoding: {{engine: vllm, tensor_parallel: {_spread(least * shared, has)}}} and as many gpus_per_rank"
        return Finding("problem", what, f"{told}; it has {has:,.0f} GB", f"name GPUs with more memory, or {more}")
    return Finding("ok", what, f"{told}; it has {has:,.0f} GB")


def _spread(num_bytes: float, has: float) -> int:
    """The power of two GPUs that hold so much together."""
    return 2 ** math.ceil(math.log2(max(2.0, num_bytes / (gpu_memory.USABLE * has * GB))))


def _finetune(a: Artifact, where: Placement, size: float, has: float | None, facts: Mapping[str, int]) -> Finding:
    """Weights, gradients and optimizer cannot be less: where they do not fit it is a problem. A row of the longest
    length may never come: where that alone does not fit, it is said.
    """
    tokens, zeros = longest(a, where), read_all(layout.DS_CONFIGS)
    model, choice, need = _run(a, where, size, has, facts)
    if where.zero in zeros and not gpu_memory.takes(model, zeros[where.zero]):
        told = f"{where.zero} for {a.label}, whose base is in 4 bits: its scales are not split over ranks"
        return Finding("problem", "ZeRO of finetune", told, "type zero: zero2")
    what = "GPU of finetune"
    told = f"{amount(need.state)} at least for {a.label}, {_on(where, choice)}"
    if need.activations:
        told += f" ({_parts(need)}), {amount(need.peak)} with {tokens:,} tokens"
    if has is None:
        return Finding("unknown", what, f"{told}; {UNKNOWN}", NAME_IT)
    told += f"; it has {has:,.0f} GB"
    if need.state > has * GB:
        return Finding("problem", what, told, gpu_memory.advice(model, zeros, where.ranks, has * GB))
    if need.peak > has * GB:
        rows = f"rows of {tokens:,} tokens do not fit: {gpu_memory.advice(model, zeros, where.ranks, has * GB)}"
        return Finding("unknown", what, told, f"{rows}, or lower recipe.max_tokens")
    return Finding("ok", what, told)


def _run(
    a: Artifact, where: Placement, size: float, has: float | None, facts: Mapping[str, int]
) -> tuple[gpu_memory.Model, gpu_memory.Choice, gpu_memory.Need]:
    """How a finetune would be run: as its placement says, where that leaves a choice by the first that fits, else by
    what needs least.
    """
    item = ITEM.get(a.plain_params["recipe"].get("precision"), 4)
    model, zeros = model_of(a, size, facts, item, longest(a, where)), read_all(layout.DS_CONFIGS)
    if has and (fits := gpu_memory.fitting(model, zeros, where.ranks, has * GB, where.zero, where.recompute)):
        return model, fits, gpu_memory.needed(model, zeros[fits.zero], where.ranks, fits.recompute)
    return model, *gpu_memory.least(model, zeros, where.ranks, where.zero, where.recompute)


def node(a: Artifact, where: Placement, size: float, has: float | None, facts: Mapping[str, int]) -> Finding:
    """Whether what a finetune keeps away from its GPUs, which have `has` GB, fits the memory of each node that is asked
    for.
    """
    model, choice, _ = _run(a, where, size, has, facts)
    least = gpu_memory.on_hosts(model, read_all(layout.DS_CONFIGS)[choice.zero]) / where.nodes
    told = f"{amount(least)} at least for {a.label}, {_on(where, choice)}; mem_gb: {where.mem_gb}"
    if where.mem_gb and least > where.mem_gb * 2**30:
        more = f"type mem_gb: {math.ceil(least / 2**30)} or more, or more nodes"
        return Finding("problem", "memory of each node of finetune", told, more)
    return Finding("ok", "memory of each node of finetune", told)


def own_disk(store: Path, a: Artifact, size: float, facts: Mapping[str, int]) -> Finding:
    """Whether the disk has room for one finetune's checkpoint and model, whatever else is made."""
    free, wanted = shutil.disk_usage(_there(store)).free, sum(state_bytes(a, size, facts))
    told = f"{amount(wanted)} for checkpoint and model of {a.label}; {amount(free)} free at {store}"
    if wanted > free:
        return Finding("problem", "disk of finetune", told, "make room, or name a larger disk by --store")
    return Finding("ok", "disk of finetune", told)


def _on(where: Placement, choice: gpu_memory.Choice) -> str:
    chosen = "chosen: " if gpu_memory.AUTO in (where.zero, where.recompute) else ""
    level = f", recompute: {choice.recompute}" if chosen or choice.recompute != "none" else ""
    return f"on {where.ranks} rank{'s' if where.ranks > 1 else ''} with {chosen}{choice.zero}{level}"


def _parts(need: gpu_memory.Need) -> str:
    parts = {"weights": need.weights, "optimizer": need.optimizer, "gradients": need.gradients}
    return ", ".join(f"{name} {amount(num)}" for name, num in parts.items())


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
            errors="replace",
            timeout=30,
        )
        return (
            min((float(line) * 2**20 / GB for line in said.stdout.split()), default=None)
            if said.returncode == 0
            else None
        )
    except (subprocess.TimeoutExpired, ValueError):
        return None
