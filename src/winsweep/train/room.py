"""How many tokens of a micro-batch a rank's GPU has room for beside what training will hold there; which ZeRO stage
and recomputation fit it.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from winsweep import gpu_memory
from winsweep.gpu_memory import AUTO, Choice, Model
from winsweep.placement import Placement
from winsweep.study.recipe import Recipe
from winsweep.train import lora, memory
from winsweep.train.engine import DTYPES, Engine, shapes
from winsweep.train.rank_group import RankGroup

GATHERED = 1e9  # parameters that stage 3 has whole at a time, at most


def choose(
    placement: Placement,
    base: str | Path,
    revision: str | None,
    recipe: Recipe,
    longest: int,
    zeros: Mapping[str, Mapping],
    group: RankGroup,
) -> Placement:
    """`placement` with the fastest `zero` and `recompute` that fit the smallest GPU of the rank group, where it leaves
    them to us; the same on all ranks. `longest`: tokens of the longest example; `zeros`: the zero_optimization of each
    file of ds_configs/.
    """
    if AUTO not in (placement.zero, placement.recompute):
        return placement
    num_bytes = min(group.gather(group.together(lambda: _gpu_bytes(group.rank))))
    config = AutoConfig.from_pretrained(base, revision=revision)
    choice = group.first(
        lambda: _choice(
            placement, model_of(config, recipe, max(longest, placement.micro_tokens)), zeros, group.num_ranks, num_bytes
        )
    )
    return replace(placement, zero=choice.zero, recompute=choice.recompute)


def model_of(config: PreTrainedConfig, recipe: Recipe, tokens: int) -> Model:
    """What a finetune of a model holds, with so many tokens in a micro-batch."""
    dtype = DTYPES[recipe.precision]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    num, levels = model.num_parameters(), memory.bytes_by_level(config, dtype)
    trained, untrained = (lora.num_adapted(model, recipe.lora), num) if recipe.lora else (num, 0)
    if recipe.lora and dtype == torch.bfloat16:
        levels = levels | {"none": levels["none"] + lora.token_bytes(model, recipe.lora)}
    is_in_4_bits = bool(recipe.lora and recipe.lora.quantize)
    quantized = sum(one * other for one, other in lora.linear(model).values()) if is_in_4_bits else 0
    kept = {level: tokens * of_one for level, of_one in levels.items()}
    return Model(trained, untrained, dtype.itemsize, kept, quantized)


def _choice(
    placement: Placement, model: Model, zeros: Mapping[str, Mapping], num_ranks: int, num_bytes: float
) -> Choice:
    asked = (placement.zero, placement.recompute)
    choice = gpu_memory.fitting(model, zeros, num_ranks, num_bytes, *asked)
    if not choice:
        choice, _ = gpu_memory.least(model, zeros, num_ranks, *asked)
    need = gpu_memory.needed(model, zeros[choice.zero], num_ranks, choice.recompute)
    on = f"{num_bytes / 1e9:,.1f} GB of a GPU" if num_bytes < math.inf else "no GPU"
    print(
        f"zero: {choice.zero}, recompute: {choice.recompute}: {need.peak / 1e9:,.1f} GB at the peak, {on}", flush=True
    )
    return choice


def _gpu_bytes(rank: int) -> float:
    """Of the GPU that DeepSpeed will give this rank, which this does not start."""
    if not torch.cuda.is_available():
        return math.inf
    return torch.cuda.get_device_properties(rank % torch.cuda.device_count()).total_memory


def room(engine: Engine, recompute: str, longest: int) -> int:
    """Tokens of a micro-batch for which this rank's GPU has memory; memory.CPU_TOKENS where there is none."""
    if not torch.cuda.is_available():
        return max(longest, memory.CPU_TOKENS)
    model, free = engine.module, memory.free_bytes() - to_come(engine)
    more = lora.kept_bytes(model) if recompute == "none" else 0
    return memory.fitting_tokens(model.config, model.dtype, recompute, free, longest, more)


def to_come(engine: Engine) -> float:
    """Bytes that training will hold on this rank beside what is there once the engine is made: Adam's moments, which
    its first step makes, and gradients, which add up in fp32.
    """
    num = sum(map(math.prod, shapes(engine).values()))
    part = num / engine.world_size if engine.zero_optimization_stage() else num
    return _moments(engine, part) + _gradients(engine, num, part)


def _moments(engine: Engine, part: float) -> float:
    if engine.zero_optimization_stage() == 0:
        adam = engine.optimizer
    elif engine.zero_offload_optimizer() is not None:  # they are on the host
        return 0.0
    else:
        adam = engine.optimizer.optimizer
    made = sum(t.numel() * t.itemsize for of in adam.state.values() for t in of.values() if isinstance(t, torch.Tensor))
    return max(0.0, 8 * part - made)


def _gradients(engine: Engine, num: float, part: float) -> float:
    """None where DeepSpeed made them with the engine (bf16 at stage 1); else whole below stage 2 and this rank's part
    from there on, and a copy of that part for the step, unless they are in one tensor from the beginning (bf16 at stage
    2). They are sent in buckets; stage 3 gathers parameters.
    """
    zero, stage = engine.optimizer, engine.zero_optimization_stage()
    if hasattr(zero, "bf16_groups"):
        return 0.0
    if stage == 0:
        return 4 * (num + part)
    if stage == 3:
        return 8 * part + min(num, GATHERED) * engine.module.dtype.itemsize
    in_one = engine.module.dtype == torch.bfloat16 and hasattr(zero, "_use_compact_grad_partition_buffer")
    buckets = 4 * engine.zero_reduce_bucket_size() * (2 if engine.zero_overlap_comm() else 1)
    return 4 * ((num if stage == 1 else part) + (0 if in_one else part)) + buckets
