"""What a file of ds_configs/ may say: memory and communication only; all that changes a number is the recipe's."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from winsweep import paths
from winsweep.errors import BadData, BadStudy
from winsweep.quoting import quoted
from winsweep.study.recipe import Recipe

AUTO = "auto"
MOST_BYTES = 1 << 20
FREE = ("zero_optimization", "aio", "wall_clock_breakdown", "memory_breakdown", "comms_logger")
DECIDED = {
    "train_batch_size": "recipe.global_batch",
    "train_micro_batch_size_per_gpu": "placement.micro_tokens",
    "gradient_accumulation_steps": "recipe.global_batch, the ranks and placement.micro_tokens",
    "gradient_clipping": "recipe.clip_norm",
    "optimizer": "recipe.lr, beta1, beta2, eps and weight_decay",
    "scheduler": "recipe.schedule, warmup_ratio and schedule_ticks",
    "bf16": "recipe.precision",
    "fp16": "recipe.precision",
    "amp": "recipe.precision",
    "torch_autocast": "recipe.precision",
    "data_types": "recipe.precision; gradients always add up in fp32",
    "communication_data_type": "recipe.precision; gradients always travel in fp32",
    "prescale_gradients": "recipe.loss and short_step",
    "gradient_predivide_factor": "recipe.loss and short_step",
    "zero_allow_untested_optimizer": "the engine, which brings its own AdamW",
    "zero_force_ds_cpu_optimizer": "the engine, which brings its own AdamW",
    "steps_per_print": "the engine, which writes log.jsonl",
}
ZERO_FREE = frozenset(
    """
    stage contiguous_gradients reduce_scatter reduce_bucket_size allgather_partitions allgather_bucket_size
    overlap_comm use_multi_rank_bucket_allreduce round_robin_gradients sub_group_size offload_optimizer offload_param
    zero_hpz_partition_size stage3_prefetch_bucket_size stage3_param_persistence_threshold
    stage3_model_persistence_threshold stage3_max_live_parameters stage3_max_reuse_distance
    stage3_module_granularity_threshold stage3_use_all_reduce_for_fetch_params stage3_allgather_sequential
    """.split()
)
OFFLOAD_FREE = frozenset(
    "device pin_memory buffer_count buffer_size max_in_cpu pipeline_read pipeline_write fast_init".split()
)


def read_zero(path: Path) -> dict:
    """The file as a dict, sure to hold memory and communication only; BadStudy names the file and the key that does not
    belong.
    """
    try:
        text = paths.read_text(Path(path), MOST_BYTES, "a JSON file is legal")
        config = json.loads(text, object_pairs_hook=lambda pairs: _once(path, pairs))
    except FileNotFoundError:
        have = ", ".join(sorted(p.stem for p in Path(path).parent.glob("*.json"))) or "none"
        raise BadStudy(f"{path}: no such file; legal: {have}; name one of them by zero: in a cluster file") from None
    except (ValueError, RecursionError) as error:
        raise BadStudy(f"{path}: not JSON: {error}") from None
    except BadData as error:
        raise BadStudy(str(error)) from None
    if not isinstance(config, dict):
        raise BadStudy(f"{path}: found {quoted(config)}; a mapping is legal")
    _check_top(path, config)
    _check_zero(path, config.get("zero_optimization"))
    return config


def read_all(folder: Path) -> dict[str, dict]:
    """The zero_optimization of each file in a folder, by its name without `.json`."""
    return {path.stem: read_zero(path)["zero_optimization"] for path in sorted(folder.glob("*.json"))}


def resolve(config: Mapping, recipe: Recipe, num_ranks: int) -> dict:
    """The whole DeepSpeed configuration: `config` with every "auto" filled and every number of the recipe set.

    Adapters are trained in fp32, whatever the model is in. BadStudy for stage 0 with bf16: DeepSpeed then adds
    gradients up in bf16, so a placement would change the numbers; and for stage 3 with a base in 4 bits.
    """
    stage, bf16 = config["zero_optimization"]["stage"], recipe.precision == "bf16" and not recipe.lora
    if stage == 0 and bf16:
        raise BadStudy(
            "placement.zero: found ZeRO stage 0 with recipe.precision bf16; stage 0 cannot add gradients up in fp32; "
            "use zero1"
        )
    if stage == 3 and recipe.lora and recipe.lora.quantize:
        raise BadStudy(
            "placement.zero: found ZeRO stage 3 with recipe.lora.quantize; stages 0 to 2 are legal with it, as the "
            "scales of 4 bits are not split over ranks; type zero: zero2"
        )
    accumulation = math.ceil(recipe.global_batch / num_ranks)
    return {key: value for key, value in config.items() if key in FREE} | {
        # a product DeepSpeed wants; each step says itself which micro-batch is its last
        "train_batch_size": accumulation * num_ranks,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": recipe.clip_norm,
        "bf16": {"enabled": bf16},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }


def _once(path: Path, pairs: list[tuple[str, object]]) -> dict:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadStudy(f"{path}: {twice[0]}: the key is given twice; once is legal; remove one")
    return dict(pairs)


def _check_top(path: Path, config: dict) -> None:
    for key, value in config.items():
        if key in DECIDED and value != AUTO:
            raise BadStudy(
                f'{path}: {key}: found {json.dumps(value)}; legal: "auto", because {DECIDED[key]} decides it; write '
                f'"auto" here'
            )
        if key not in DECIDED and key not in FREE:
            raise BadStudy(
                f"{path}: {key}: not a matter of memory or communication; legal: {', '.join(FREE)}; remove it"
            )


def _check_zero(path: Path, zero: object) -> None:
    where = f"{path}: zero_optimization"
    if not isinstance(zero, dict) or zero.get("stage") not in (0, 1, 2, 3) or isinstance(zero["stage"], bool):
        raise BadStudy(
            f'{where}: found {json.dumps(zero)}; a mapping with a stage is legal; write {{"stage": 1}} (0, 1, 2 or 3)'
        )
    for key, value in zero.items():
        if key not in ZERO_FREE:
            raise BadStudy(
                f"{where}.{key}: may change a number or compile code in a job; legal: {', '.join(sorted(ZERO_FREE))}; "
                f"remove it"
            )
        if value == AUTO:
            raise BadStudy(f'{where}.{key}: found "auto"; nothing in a recipe decides it; write a number or remove it')
        if key.startswith("offload_"):
            _check_offload(f"{where}.{key}", value)


def _check_offload(where: str, offload: object) -> None:
    if not isinstance(offload, dict) or offload.get("device") not in ("cpu", "none"):
        raise BadStudy(
            f'{where}: found {json.dumps(offload)}; legal: cpu or none (others compile); write {{"device": "cpu"}}'
        )
    if unknown := sorted(offload.keys() - OFFLOAD_FREE):
        raise BadStudy(f"{where}.{unknown[0]}: unknown; legal: {', '.join(sorted(OFFLOAD_FREE))}; remove it")
