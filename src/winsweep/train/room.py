"""How many tokens of a micro-batch a rank's GPU has room for beside what training will hold there."""

import math

import torch

from winsweep.train import memory
from winsweep.train.engine import Engine, shapes

GATHERED = 1e9  # parameters that stage 3 has whole at a time, at most


def room(engine: Engine, recompute: str, longest: int) -> int:
    """Tokens of a micro-batch for which this rank's GPU has memory; memory.CPU_TOKENS where there is none."""
    if not torch.cuda.is_available():
        return max(longest, memory.CPU_TOKENS)
    model, free = engine.module, memory.free_bytes() - to_come(engine)
    return memory.fitting_tokens(model.config, model.dtype, recompute, free, longest)


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
