"""What a finetune needs of each GPU's memory, by counts of parameters and tokens; which ZeRO stage and recomputation
fit. Bytes throughout; GB are 1e9.

The counts are those of DeepSpeed 0.19 as winsweep uses it: gradients add up in fp32, Adam has two fp32 moments, and
ZeRO keeps an fp32 copy of what it trains (Rajbhandari et al. 2020, arXiv:1910.02054, section 3).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

GB = 1e9
ITEM = {"fp32": 4, "bf16": 2}
# bytes of a weight in NF4 with double quantization: a scale of 8 bits for 64, and one of 32 bits for 256 of those
ITEM_4_BITS = 0.5 + 1 / 64 + 4 / (64 * 256)
AUTO: Literal["auto"] = "auto"
Level = Literal["none", "cheap", "full", "auto"]
BUCKET = 500_000_000  # DeepSpeed's own reduce_bucket_size [elements]
LIVE = 1_000_000_000  # and its stage3_max_live_parameters
USABLE = 0.92  # of a GPU: the rest is CUDA's own and the allocator's
MOST_RANKS = 512  # that are thought of for what fits nowhere else
# Memory by the name of a type, the most that it comes with, in GB; a type that says its size is taken at its word.
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


@dataclass(frozen=True)
class Model:
    """What is trained: numbers of parameters, bytes of one in forward passes, and of activations, as far as known."""

    trained: float
    untrained: float = 0.0  # of a model under adapters, which are trained in fp32: it has weights alone
    item: int = 2
    #: of one micro-batch, by the level of recomputation; none: not known
    activations: Mapping[str, float] = field(default_factory=dict)
    quantized: float = 0.0  # parts of `untrained` that are in 4 bits; ZeRO stage 3 is not for them

    @property
    def trained_item(self) -> int:
        """Bytes of one parameter that is trained."""
        return 4 if self.untrained else self.item

    @property
    def num_bytes(self) -> float:
        """Of all weights in forward passes."""
        whole = self.item * (self.untrained - self.quantized) + self.trained_item * self.trained
        return whole + ITEM_4_BITS * self.quantized


@dataclass(frozen=True)
class Need:
    """Bytes of one GPU."""

    weights: float
    optimizer: float  # Adam's moments, and the fp32 copy that ZeRO keeps
    gradients: float  # in fp32, with the buckets in which they are sent
    activations: float  # at the peak, where the backward pass begins
    passing: float  # gradients of one micro-batch in its precision, when its activations have gone

    @property
    def state(self) -> float:
        """What is there whatever the rows are."""
        return self.weights + self.optimizer + self.gradients

    @property
    def peak(self) -> float:
        return self.state + max(self.activations, self.passing)


@dataclass(frozen=True)
class Choice:
    """Where a placement says auto: `zero` is a file of ds_configs/."""

    zero: str
    recompute: Level


# The fastest first: what sends least, then what computes least twice, then what stays on the GPU.
CHOICES = (
    Choice("zero1", "none"),
    Choice("zero1", "cheap"),
    Choice("zero2", "none"),
    Choice("zero2", "cheap"),
    Choice("zero3", "none"),
    Choice("zero1", "full"),
    Choice("zero2", "full"),
    Choice("zero3", "full"),
    Choice("zero3_offload", "none"),
    Choice("zero3_offload", "full"),
)


def needed(model: Model, zero: Mapping[str, Any], num_ranks: int, recompute: Level) -> Need:
    """What `model` needs with `zero`, the zero_optimization of a file of ds_configs/, on so many ranks."""
    stage = zero["stage"]
    part = model.trained / num_ranks if stage else model.trained
    weights = model.num_bytes * (1 / num_ranks if stage == 3 else 1)
    if _is_off(zero, "offload_param"):
        weights = 0.0
    if stage == 3:  # those of the layers at hand are whole
        weights += min(model.num_bytes, model.item * zero.get("stage3_max_live_parameters", LIVE))
    on_host = _is_off(zero, "offload_optimizer")
    optimizer = 0.0 if on_host else (12 if stage else 8) * part
    passing = model.item * model.trained if stage < 2 and model.trained_item < 4 else 0.0
    return Need(
        weights,
        optimizer,
        _gradients(zero, model, part, on_host),
        model.activations.get(recompute, 0.0),
        passing,
    )


def _gradients(zero: Mapping[str, Any], model: Model, part: float, on_host: bool) -> float:
    """Whole below stage 2, this rank's part from there on; a second copy of the part for the step, except in bf16 at
    stages 1 and 2, where they are in one tensor from the beginning. See train.room, which asks the engine.
    """
    stage, is_bf16 = zero["stage"], model.trained_item == 2
    if stage == 0:
        return 8 * model.trained
    if stage == 1 and is_bf16:
        return 4 * model.trained
    buckets = 4 * zero.get("reduce_bucket_size", BUCKET) * (2 if zero.get("overlap_comm", stage == 3) else 1)
    if stage == 3:
        return buckets if on_host else buckets + 8 * part
    return buckets + 4 * ((model.trained if stage == 1 else part) + (0 if is_bf16 else part))


def _is_off(zero: Mapping[str, Any], what: str) -> bool:
    return zero.get(what, {}).get("device", "none") != "none"


def choices(zero: str, recompute: Level, names: Sequence[str]) -> Iterator[Choice]:
    """What a placement leaves open, the fastest first; just what it says where it leaves nothing open. `names` are the
    files that there are.
    """
    if AUTO not in (zero, recompute):
        yield Choice(zero, recompute)
        return
    zeros = dict.fromkeys(c.zero for c in CHOICES if c.zero in names) if zero == AUTO else {zero: None}
    known = [c for c in CHOICES if c.zero in zeros] or [Choice(zero, "none"), Choice(zero, "full")]
    levels = {c.recompute for c in known} if recompute == AUTO else {recompute}
    yield from (c for c in known if c.recompute in levels)


def fitting(
    model: Model,
    zeros: Mapping[str, Mapping[str, Any]],
    num_ranks: int,
    num_bytes: float,
    zero: str = AUTO,
    recompute: Level = AUTO,
) -> Choice | None:
    """The first choice whose peak fits into `num_bytes` of a GPU, less what is not usable; None if none does."""
    for choice in choices(zero, recompute, [*zeros]):
        peak = needed(model, zeros[choice.zero], num_ranks, choice.recompute).peak
        if takes(model, zeros[choice.zero]) and peak <= USABLE * num_bytes:
            return choice
    return None


def takes(model: Model, zero: Mapping[str, Any]) -> bool:
    """Whether a ZeRO stage is legal for a model at all."""
    return zero["stage"] < 3 or not model.quantized


def least(
    model: Model, zeros: Mapping[str, Mapping[str, Any]], num_ranks: int, zero: str, recompute: Level
) -> tuple[Choice, Need]:
    """The choice that needs least of a GPU."""
    found = [(c, needed(model, zeros[c.zero], num_ranks, c.recompute)) for c in choices(zero, recompute, [*zeros])]
    legal = [(c, need) for c, need in found if takes(model, zeros[c.zero])]
    return min(legal or found, key=lambda pair: pair[1].peak)


def advice(model: Model, zeros: Mapping[str, Mapping[str, Any]], num_ranks: int, num_bytes: float) -> str:
    """What to type so that it fits: another ZeRO stage or recomputation with the same ranks, and fewest more ranks with
    all on the GPU.
    """
    told = []
    if same := fitting(model, zeros, num_ranks, num_bytes):
        told.append(f"zero: {same.zero}, recompute: {same.recompute}")
    on_gpu = {name: zero for name, zero in zeros.items() if not _is_off(zero, "offload_optimizer")}
    if not same or same.zero not in on_gpu:
        ranks = num_ranks * 2
        while ranks <= MOST_RANKS and not (more := fitting(model, on_gpu, ranks, num_bytes)):
            ranks *= 2
        if ranks <= MOST_RANKS and more:
            told.append(f"ranks: {ranks} with zero: {more.zero}, recompute: {more.recompute}")
    return f"type {', or '.join(told)}" if told else "name GPUs with more memory"


def by_name(words: Sequence[str]) -> float | None:
    """Memory in GB of the largest of some GPUs by their types (a100, nvidia_a100_40gb_pcie); None if any is not
    known.
    """
    found = [gb for word in words if (gb := _of_type(word)) is not None]
    return max(found, default=None) if len(found) == len(words) else None


def _of_type(word: str) -> float | None:
    """The size that a type has in its name, or that of the longest name of GPU_GB in it."""
    if size := re.search(r"(?<![0-9])([0-9]{2,3})gi?b(?![a-z])", word.lower()):
        return float(size[1])
    said = word.lower().replace("_", "").replace("-", "")
    return next((gb for name, gb in sorted(GPU_GB.items(), key=lambda x: -len(x[0])) if name in said), None)
