"""What training is reckoned to hold beside a new engine is what it comes to hold."""

import gc
import json
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from tests.train.world import make_examples, start_ranks, wait_ranks, zero_config
from winsweep import layout
from winsweep import zero as zeros_
from winsweep.gpu_memory import USABLE, Model, needed
from winsweep.placement import Placement
from winsweep.study.recipe import Recipe
from winsweep.train import engine as engines
from winsweep.train import room
from winsweep.train.loss import pack
from winsweep.train.rank_group import join
from winsweep.train.room import to_come


def held() -> int:
    """Bytes of all tensors that this process has; those without numbers take none."""
    gc.collect()
    found = [x for x in gc.get_objects() if type(x) in (torch.Tensor, torch.nn.Parameter) and not x.is_meta]
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in found}.values())


def measure(base: Path, zero: str, precision: str, rank: int, num_ranks: int, out: Path) -> None:
    torch.set_num_threads(1)
    of_others = held()  # what tests before this one left in the process that was forked
    group = join(rank=rank, num_ranks=num_ranks, meeting=out / "meeting", timeout_s=30)
    recipe = Recipe(precision=precision, global_batch=8)
    config = zeros_.resolve(zero_config(zero), recipe, num_ranks)
    if zero in ("zero1", "zero2"):
        config["zero_optimization"] |= {"reduce_bucket_size": 1000, "overlap_comm": False}
    engine = engines.start(base, None, recipe, config, group)
    assert engines.pack_or_not(engine, group) == ""
    reckoned, before, seen = to_come(engine), held(), []
    of_all = needed(
        Model(engine.module.num_parameters(), 0, engine.module.dtype.itemsize),
        config["zero_optimization"],
        num_ranks,
        "none",
    )
    step = engine.step
    engine.step = lambda: seen.append(held()) or step()  # gradients are there, and activations are gone
    for _ in range(2):
        engines.take_step(engine, [pack(make_examples(4)), pack(make_examples(4, 1))], recipe, 8 * num_ranks, 1e-3)
    num = sum(map(torch.Size.numel, map(torch.Size, engines.shapes(engine).values())))
    (out / f"{rank}.json").write_text(
        json.dumps(
            [x / num for x in (reckoned, max(seen) - before, of_all.state + of_all.passing, max(seen) - of_others)]
        )
    )
    group.leave()


@pytest.mark.parametrize(
    ("zero", "precision", "num_ranks", "more", "more_in_all"),
    [
        ("zero1", "fp32", 1, 4, 4),  # that copy comes later than this looks
        ("zero1", "bf16", 1, -2, 0),  # bf16 gradients of the last micro-batch, when activations are gone
        ("zero1", "bf16", 2, -2, 0),
        ("zero2", "bf16", 1, 0, 0),
        ("zero2", "bf16", 2, 0, 0),
    ],
)
def test_what_training_holds_is_known_before(
    zero: str, precision: str, num_ranks: int, more: float, more_in_all: float, model: Path, tmp_path: Path
) -> None:
    pids = start_ranks(num_ranks, lambda rank: measure(model, zero, precision, rank, num_ranks, tmp_path), tmp_path)
    assert wait_ranks(pids) == [0] * num_ranks, (tmp_path / "rank-0.txt").read_text()
    # bytes of a parameter
    reckoned, found, of_all, in_all = json.loads((tmp_path / "0.json").read_text())
    assert reckoned - found == pytest.approx(more, abs=0.5)
    assert of_all - in_all == pytest.approx(more_in_all, abs=0.5)


def test_what_a_placement_leaves_open_is_what_the_smallest_gpu_has_room_for(model: Path, tmp_path: Path) -> None:
    """Three ranks whose GPUs differ; what is chosen is what the model by counts says, and all ranks agree."""
    zeros, recipe = zeros_.read_all(layout.DS_CONFIGS), Recipe(precision="bf16")
    small = {"zero1": zeros["zero1"], "zero3": zeros["zero3"] | {"reduce_bucket_size": 1000}}
    of = room.model_of(AutoConfig.from_pretrained(model), recipe, 64)
    peak = needed(of, small["zero1"], 3, "cheap").peak / USABLE

    def main(rank: int) -> None:
        group = join(rank=rank, num_ranks=3, meeting=tmp_path / "meeting", timeout_s=30)
        found = []
        for gpus in ([math.inf] * 3, [9 * peak, peak * 1.001, 8 * peak], [9 * peak, 1.0, 1.0]):
            room._gpu_bytes = gpus.__getitem__
            placed = room.choose(Placement(zero="auto", recompute="auto"), model, None, recipe, 64, small, group)
            found.append([placed.zero, placed.recompute])
        assert room.choose(Placement(), model, None, recipe, 64, small, group) == Placement()
        (tmp_path / f"{rank}.json").write_text(json.dumps(found))
        group.leave()

    assert wait_ranks(start_ranks(3, main, tmp_path)) == [0] * 3, (tmp_path / "rank-0.txt").read_text()
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert found[0] == [["zero1", "none"], ["zero1", "cheap"], ["zero3", "full"]] and found[1:] == [found[0]] * 2
