"""Everything winsweep knows about DeepSpeed: how a model becomes an engine, takes a step, is saved, loaded and read.

Only `resharding` knows too where its state lies.
"""

import contextlib
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

# asking for CUDA must not start it: the ranks are forked later
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

import torch
from torch import Tensor

if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")

import deepspeed
import deepspeed.ops
import transformers
from deepspeed.accelerator import get_accelerator, set_accelerator
from deepspeed.accelerator.cpu_accelerator import CPU_Accelerator
from deepspeed.runtime.engine import DeepSpeedEngine as Engine
from transformers import PreTrainedModel
from transformers.integrations import HfDeepSpeedConfig
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from winsweep.errors import BadStudy, Damaged
from winsweep.study.recipe import Recipe
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.weights import load_whole
from winsweep.train import lora, memory, muon, quantization, varlen  # noqa: F401  muon before DeepSpeed compiles it
from winsweep.train.lora import trained, without_base
from winsweep.train.loss import Batch, Packed, summed_loss
from winsweep.train.rank_group import RankGroup

TAG = "state"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

# it would be compiled inside the job
getattr(deepspeed.ops, "__compatible_ops__", {})["deepspeed_shm_comm"] = False
logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
transformers.utils.logging.disable_progress_bar()


def start(
    base: str | Path,
    revision: str | None,
    recipe: Recipe,
    config: dict,
    group: RankGroup,
    recompute: str = "none",
    seed: int = 0,
) -> Engine:
    """An engine that holds `base` in the recipe's precision, ready for its first step; `config` comes from
    zero.resolve, `seed` draws what adapters begin with.

    BadData if the base lacks a weight. Weight decay applies to every parameter that is trained.
    """
    open_device(group)
    model = _load(base, revision, recipe, config)
    if recipe.lora:
        lora.attach(model, recipe.lora, seed)
    return wrap(model, recipe, config, group, recompute)


def open_device(group: RankGroup) -> None:
    """Make this rank's GPU, if there is one, and the rank group's process group those of DeepSpeed."""
    if not torch.cuda.is_available() and get_accelerator().device_name() == "cuda":
        set_accelerator(CPU_Accelerator())  # this process was forked from one that saw GPUs, and is given none
    # DeepSpeed reads this one variable, at every step of stage 3
    os.environ["LOCAL_RANK"] = str(_device_index(group.rank))
    if torch.cuda.is_available():
        if "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:
            # parts of packed examples differ in size: pieces that fit none of them would add up
            os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
        torch.cuda.set_device(_device_index(group.rank))
    # takes over the rank group's group
    deepspeed.init_distributed(get_accelerator().communication_backend_name(), verbose=False)


def wrap(model: PreTrainedModel, recipe: Recipe, config: dict, group: RankGroup, recompute: str = "none") -> Engine:
    """An engine around `model`; see start. AdamW is torch's fused one: one pass over memory, and nothing is compiled in
    the job.
    """
    # DeepSpeed gathers weights in the middle of what is recomputed
    if recompute == "cheap" and config["zero_optimization"]["stage"] == 3:
        raise BadStudy(
            "placement.recompute: found cheap with ZeRO stage 3; none and full are legal with it; type recompute: full"
        )
    memory.recompute(model, recompute)
    model.train()
    betas = (recipe.beta1, recipe.beta2)
    adam = torch.optim.AdamW(
        trained(model).values(), lr=recipe.lr, betas=betas, eps=recipe.eps, weight_decay=recipe.weight_decay, fused=True
    )
    with contextlib.redirect_stdout(sys.stderr):  # DeepSpeed prints its memory use
        engine, *_ = deepspeed.initialize(model=model, optimizer=adam, config=config)
    group.limit_waits()
    return engine


def pack_or_not(engine: Engine, group: RankGroup) -> str:
    """Make the engine's model ready for packed examples and return "", or leave it as it was and say why; the same on
    all ranks.
    """
    before = engine.module.config._attn_implementation
    why = varlen.prepare(engine.module, engine, engine.device)
    if group.sum(bool(why)) == [0.0]:
        return ""
    engine.module.set_attn_implementation(before)
    return why or "the model of another rank does not keep examples apart"


def _device_index(rank: int) -> int:
    return rank % max(1, torch.cuda.device_count())


def _load(base: str | Path, revision: str | None, recipe: Recipe, config: dict) -> PreTrainedModel:
    refuse_outside_weights(str(base), revision)
    load = quantization.load if recipe.lora and recipe.lora.quantize else load_whole
    # While this object lives, transformers splits the weights over the ranks as it reads them.
    hold = HfDeepSpeedConfig(config) if config["zero_optimization"]["stage"] == 3 else None
    try:
        model = load(base, revision, DTYPES[recipe.precision])
    finally:
        del hold
        unset_hf_deepspeed_config()
    model.config.use_cache = False
    return model


def take_step(
    engine: Engine, batches: Sequence[Batch | Packed], recipe: Recipe, num_rows: int, lr: float
) -> tuple[float, float]:
    """One optimizer step on the mean loss of `num_rows` examples, of which this rank computes `batches`: as many on
    every rank.

    Returns the sum of this rank's example losses, and the norm of the whole gradient before clipping. DeepSpeed
    averages over ranks, so each loss is weighted ranks/divisor: the gradient is the same however the examples are
    split.
    """
    weight = engine.world_size / recipe.divisor(num_rows)
    for group in engine.optimizer.param_groups:
        group["lr"] = lr
    # what ZeRO's offload of gradients looks at; steps differ in it
    engine.optimizer.gradient_accumulation_steps = len(batches)
    total, norm = 0.0, None
    for left, batch in zip(reversed(range(len(batches))), batches):
        if clear := getattr(engine.optimizer, "clear_lp_grads", None):
            clear(set_to_none=True)  # they are in the fp32 sums; DeepSpeed would keep them beside activations
        engine.set_gradient_accumulation_boundary(left == 0)
        loss = summed_loss(engine, batch.to(engine.device), recipe.loss)
        total = total + loss.detach().double()
        engine.backward(loss * weight, scale_wrt_gas=False)
        if _stage(engine) == 0 and left == 0:
            norm = torch.nn.utils.get_total_norm([p.grad for p in engine.module.parameters() if p.grad is not None])
        engine.step()
    norm = engine.get_global_grad_norm() if norm is None else norm
    skipped = float("nan") if engine.skipped_steps else 0.0  # DeepSpeed skips a step whose gradient overflows
    return float(total), float(norm if norm is not None else "nan") + skipped


def save_state(engine: Engine, directory: Path, write: Callable[[object, Path], None]) -> None:
    """Give `write` what the engine needs to go on, with paths below `directory`; this rank's first error of it is
    raised at the end.

    At the end, because the other ranks wait inside DeepSpeed until every rank has been through its writes; the copy of
    a conversion script, which would not go through `write`, is left out.
    """
    errors: list[OSError | MemoryError] = []

    def keep_going(state_dict: dict, path: str) -> None:
        try:
            write(without_base(state_dict, engine.module), Path(path))
        except (OSError, MemoryError) as error:
            errors.append(error)

    engine.checkpoint_engine.save = keep_going
    engine._copy_recovery_script = lambda directory: None
    engine.save_checkpoint(str(directory), tag=TAG, save_latest=False, exclude_frozen_parameters=True)
    if errors:
        raise errors[0]


def state_bytes(engine: Engine) -> float:
    """About how much save_state gives `write` on the rank with the most of it: the weights, their fp32 copy and Adam's
    two moments.
    """
    num = sum(map(math.prod, shapes(engine).values()))
    return num * (12 / engine.world_size + engine.module.dtype.itemsize) if _stage(engine) else 12 * num


def load_state(engine: Engine, directory: Path, step: int) -> None:
    """Make `engine` the one that was saved in `directory` after `step` optimizer steps; Damaged if it is not that."""
    is_whole = len(trained(engine.module)) == len(list(engine.module.parameters()))  # else the base is not in it
    path, _ = engine.load_checkpoint(str(directory), tag=TAG, load_module_strict=is_whole)
    if path is None or engine.global_steps != step:
        raise Damaged(
            f"{directory}: holds the state after {engine.global_steps} steps, not {step}; remove it to train from the "
            f"start"
        )


def libraries() -> dict[str, str]:
    """The versions of what gives saved state its form."""
    return {name: version(name).partition("+")[0] for name in ("deepspeed", "torch", "numpy")}


def each_parameter(engine: Engine) -> Iterator[tuple[str, Tensor]]:
    """Every parameter that is trained once (tied ones under their first name), whole and in training dtype, one at a
    time: all ranks must read on.
    """
    for name, parameter in trained(engine.module).items():
        with deepspeed.zero.GatheredParameters([parameter], enabled=_stage(engine) == 3):
            yield name, parameter.detach()


def shapes(engine: Engine) -> dict[str, tuple[int, ...]]:
    """The whole shape of each parameter, in the order of each_parameter."""
    return {name: tuple(getattr(p, "ds_shape", p.shape)) for name, p in trained(engine.module).items()}


def dtype_of(recipe: Recipe) -> torch.dtype:
    """What trained parameters are in: adapters are in fp32 whatever the model is in."""
    return torch.float32 if recipe.lora else DTYPES[recipe.precision]


def write_torch(state: object, path: Path) -> None:
    """torch.save, synced to disk, that says OSError when the disk does: torch itself hides it in a RuntimeError."""
    with open(path, "wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())


def _stage(engine: Engine) -> int:
    return int(engine.zero_optimization_stage())
