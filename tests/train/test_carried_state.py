"""What is in the ranks right after a checkpoint of another layout is read, before any step: the very state that was
saved.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

from tests.train.world import World
from winsweep import zero
from winsweep.study.recipe import Recipe
from winsweep.train import checkpoint
from winsweep.train import engine as engines
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.finetune import take_step
from winsweep.train.rank_group import RankGroup, join
from winsweep.train.resumption import resume

FP32 = Recipe(lr=3e-3, epochs=2, global_batch=6, warmup_ratio=0.2, precision="fp32")
BF16 = replace(FP32, precision="bf16")
SMALL = {"sub_group_size": 4000}  # several flat tensors
WHOLE = {"stage3_param_persistence_threshold": 3000}  # small parameters stay whole on each rank
TURNED = {"round_robin_gradients": True}  # parameters in another order
# Each ordered pair of stages follows once, with ranks that go up, down and stay and that do not divide each other.
FULL = [
    ("zero0", 1, {}),
    ("zero0", 2, {}),
    ("zero1", 2, {}),
    ("zero0", 1, {}),
    ("zero2", 2, {}),
    ("zero0", 2, {}),
    ("zero3", 2, {}),
    ("zero1", 1, {}),
    ("zero1", 3, {}),
    ("zero2", 2, TURNED),
    ("zero1", 1, {}),
    ("zero3", 3, SMALL),
    ("zero2", 2, {}),
    ("zero2", 1, {}),
    ("zero3", 1, WHOLE),
    ("zero3", 2, {}),
    ("zero0", 1, {}),
]
HALF = [
    ("zero1", 1, {}),
    ("zero1", 3, {}),
    ("zero2", 2, TURNED),
    ("zero1", 2, {}),
    ("zero3", 3, SMALL),
    ("zero2", 1, {}),
    ("zero2", 2, {}),
    ("zero3_offload", 2, WHOLE),
    ("zero3", 2, SMALL),
    ("zero1", 1, {}),
]


class Link(World):
    """One layout in a chain: it goes on from what the one before saved, takes no step unless it is the first, and
    saves.
    """

    def main(self, rank: int) -> None:
        group = join(
            rank=rank,
            num_ranks=self.num_ranks,
            meeting=self.root / f"meeting-{self.num_attempts}",
            timeout_s=self.timeout_s,
        )
        # as finetune does: in a forked process, two threads of a loader that are the first to ask break torch's pool
        torch.set_num_threads(1)
        config = zero.resolve(self.config, self.recipe, self.num_ranks)
        engine = engines.start(self.base, None, self.recipe, config, group)
        fit = {
            "base": str(self.base),
            "seed": self.seed,
            "num_ranks": self.num_ranks,
            "zero_optimization": config["zero_optimization"],
        }
        if not resume(engine, self.work, fit, group):
            self.first_steps(engine, group)
        state = whole_state(engine)
        if rank == 0:
            torch.save(state, self.out / "state.pt")
        checkpoint.finish(checkpoint.begin(engine, self.work, 3, fit, group, behind=False), group)
        group.leave()

    def first_steps(self, engine: engines.Engine, group: RankGroup) -> None:
        packed = not engines.pack_or_not(engine, group)
        schedule = BatchSchedule(self.examples, self.recipe, self.seed, group.num_ranks, packed, micro_tokens=28)
        lines = [json.dumps(take_step(engine, schedule, at, group)) + "\n" for at in range(3)]
        group.first(lambda: (self.work / checkpoint.LOG).write_text("".join(lines)))


def whole_state(engine: engines.Engine) -> dict[str, torch.Tensor]:
    """Weights in training dtype and in fp32, and moments, of each parameter, as DeepSpeed itself puts them together;
    and Adam's count of steps.
    """
    found, adam = {}, getattr(engine.optimizer, "optimizer", engine.optimizer)
    if hasattr(engine.optimizer, "_lazy_init_hp_params_optimizer_state"):
        # what safe_get_full_optimizer_state reads; DeepSpeed does it at its first step
        engine.optimizer._lazy_init_hp_params_optimizer_state()
    for name, p in engine.module.named_parameters():
        here = {"exp_avg": None, "exp_avg_sq": None}
        if engine.zero_optimization_stage() == 0:
            found[f"{name} fp32"], here = p.detach().clone(), adam.state[p]
        else:
            found[f"{name} fp32"] = safe_get_full_fp32_param(p).clone()
            here = {key: safe_get_full_optimizer_state(p, key) for key in here}
        found |= {f"{name} {key}": here[key].detach().clone() for key in ("exp_avg", "exp_avg_sq")}
    found |= {name: tensor.clone() for name, tensor in engines.each_parameter(engine)}
    return found | {f"step {state['step']:g}": torch.tensor(engine.global_steps) for state in adam.state.values()}


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize(("chain", "recipe"), [(FULL, FP32), (HALF, BF16)], ids=["fp32", "bf16"])
def test_each_layout_holds_the_bits_that_the_first_one_saved(
    chain: list, recipe: Recipe, dropout_model: Path, tmp_path: Path
) -> None:
    first: dict[str, torch.Tensor] = {}
    (tmp_path / "work").mkdir()
    for at, (name, num_ranks, change) in enumerate(chain, 1):
        link = Link(tmp_path, dropout_model, name, num_ranks, recipe)
        link.config["zero_optimization"] |= change
        link.num_attempts = at - 1
        state = torch.load(link.done().out / "state.pt")
        first = first or state
        assert state.keys() == first.keys() and "step 3" in state
        # there what DeepSpeed says of fp32 is of other parameters
        known = [key for key in state if change != TURNED or " " not in key]
        where = f"{chain[at - 2]} -> {chain[at - 1]}"
        assert [key for key in known if bits(state[key].view(first[key].shape)) != bits(first[key])] == [], where
    assert all(float(first[key].abs().max()) > 0 for key in first)
    name = "model.layers.1.mlp.down_proj.weight"
    assert first[name].dtype == engines.DTYPES[recipe.precision] and torch.equal(
        first[f"{name} fp32"].to(first[name].dtype), first[name]
    )
