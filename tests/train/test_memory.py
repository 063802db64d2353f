"""What a forward pass is reckoned to keep is what it keeps; keeping less of it changes no number; what the machine has
left is read right.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.train.test_loop import RECIPE
from tests.train.world import World, make_examples
from winsweep.errors import BadStudy
from winsweep.train import free_memory, memory, varlen
from winsweep.train.loss import pack, packed_loss

SHAPE = dict(
    hidden_size=64,
    intermediate_size=160,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=256,
)
CONFIG = LlamaConfig(**SHAPE)
CPU = torch.device("cpu")


def kept_per_token(level: str) -> float:
    """Bytes that stay allocated between the forward and the backward pass of a real model, without the logits, by
    torch's own profiler.
    """
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).train()
    memory.recompute(model, level)
    assert varlen.prepare(model, model, CPU) == ""
    batch = pack(make_examples(40))
    num_tokens = batch.ids_1Q.shape[1]
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiler:
        loss = packed_loss(
            model, batch._replace(kept_K=batch.kept_K[:1], targets_K=batch.targets_K[:1], weights_K=batch.weights_K[:1])
        )
    assert loss.requires_grad
    return sum(event.self_cpu_memory_usage for event in profiler.key_averages()) / num_tokens


@pytest.mark.parametrize("level", ["none", "cheap", "full"])
def test_the_count_of_a_meta_model_is_what_a_real_one_keeps(level: str) -> None:
    logits, layers = 2 * CONFIG.vocab_size * 4, CONFIG.num_hidden_layers
    whole = kept_per_token("none")
    # less what the backward pass comes to hold
    counted = memory.bytes_per_token(CONFIG, torch.float32, level) - logits - whole / layers
    redone = 0 if level == "none" else whole / layers if level == "full" else 0
    assert counted == pytest.approx(kept_per_token(level) + redone, rel=0.25)


def test_the_budget_is_what_fits() -> None:
    per_token = memory.bytes_per_token(CONFIG, torch.bfloat16, "none")

    def fit(free: float, longest: int = 100) -> int:
        return memory.fitting_tokens(CONFIG, torch.bfloat16, "none", free, longest)

    assert fit(per_token * 5000) == 3840 and fit(1e15) == memory.MOST_TOKENS
    assert fit(0) == 100 and fit(-1e9, 2048) == 2048  # the longest example must be tried
    assert (
        memory.bytes_per_token(CONFIG, torch.bfloat16, "full")
        < memory.bytes_per_token(CONFIG, torch.bfloat16, "cheap")
        < per_token
    )


@pytest.mark.parametrize(
    ("zero", "num_ranks", "levels"), [("zero1", 1, ["none", "cheap", "full"]), ("zero3", 2, ["none", "full"])]
)
def test_recomputing_changes_no_number(
    zero: str, num_ranks: int, levels: list[str], dropout_model: Path, tmp_path: Path
) -> None:
    worlds = [
        World(tmp_path / level, dropout_model, zero, num_ranks, RECIPE, micro_tokens=40, recompute=level)
        for level in levels
    ]
    for world in worlds:
        world.examples = world.examples[:8]
        world.done()
    assert all(world.published() == worlds[0].published() for world in worlds)


def test_cheap_recomputing_does_not_go_with_zero_3(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero3", 1, RECIPE, recompute="cheap")
    assert "BadStudy: placement.recompute: found cheap with ZeRO stage 3" in world.refused()[0]


def test_a_model_that_cannot_recompute_is_named() -> None:
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    model.supports_gradient_checkpointing = False
    with pytest.raises(BadStudy, match=r"placement.recompute: found full; LlamaForCausalLM keeps all activations"):
        memory.recompute(model, "full")


def tree(root: Path, files: dict[str, object]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


def test_host_memory_is_what_the_tightest_group_leaves(tmp_path: Path) -> None:
    meminfo = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB"}
    assert free_memory.free_bytes(tmp_path) == 0  # nothing can be told
    assert free_memory.free_bytes(tree(tmp_path / "plain", meminfo)) == 8000 << 10
    two = meminfo | {"proc/self/cgroup": "0::/slurm/job_1/step_0", "sys/fs/cgroup/slurm/job_1/step_0/memory.max": "max"}
    two |= {
        "sys/fs/cgroup/slurm/job_1/step_0/memory.current": 1,
        "sys/fs/cgroup/slurm/job_1/step_0/memory.stat": "anon 1",
    }
    two |= {
        f"sys/fs/cgroup/slurm/job_1/memory.{k}": v
        for k, v in {"max": 5000, "current": 4000, "stat": "anon 1\ninactive_file 700"}.items()
    }
    assert free_memory.free_bytes(tree(tmp_path / "v2", two)) == 1700
    one = meminfo | {"proc/self/cgroup": "5:cpu:/slurm\n4:memory:/slurm"}
    one |= {
        f"sys/fs/cgroup/memory/slurm/memory.{k}": v
        for k, v in {"limit_in_bytes": 600, "usage_in_bytes": 500, "stat": "total_inactive_file 50"}.items()
    }
    assert free_memory.free_bytes(tree(tmp_path / "v1", one)) == 150


def test_the_switch_of_transformers_has_two_names() -> None:
    old = SimpleNamespace(gradient_checkpointing_enable="old")
    both = SimpleNamespace(gradient_checkpointing_enable="old", activation_checkpointing_enable="new")
    assert [memory._switch(model) for model in (old, both)] == ["old", "new"]
