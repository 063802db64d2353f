"""What training is reckoned to hold beside a new engine is what it comes to hold."""

import gc
import json
from pathlib import Path

import pytest
import torch

from tests.train.world import make_examples, start_ranks, wait_ranks, zero_config
from winsweep import zero as zeros
from winsweep.study.recipe import Recipe
from winsweep.train import engine as engines
from winsweep.train.loss import pack
from winsweep.train.rank_group import join
from winsweep.train.room import to_come


def held() -> int:
    """Bytes of all tensors that this process has."""
    gc.collect()
    found = [x for x in gc.get_objects() if type(x) in (torch.Tensor, torch.nn.Parameter)]
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in found}.values())


def measure(base: Path, zero: str, precision: str, rank: int, num_ranks: int, out: Path) -> None:
    torch.set_num_threads(1)
    group = join(rank=rank, num_ranks=num_ranks, meeting=out / "meeting", timeout_s=30)
    recipe = Recipe(precision=precision, global_batch=8)
    config = zeros.resolve(zero_config(zero), recipe, num_ranks)
    if zero in ("zero1", "zero2"):
        config["zero_optimization"] |= {"reduce_bucket_size": 1000, "overlap_comm": False}
    engine = engines.start(base, None, recipe, config, group)
    assert engines.pack_or_not(engine, group) == ""
    reckoned, before, seen = to_come(engine), held(), []
    step = engine.step
    engine.step = lambda: seen.append(held()) or step()  # gradients are there, and activations are gone
    for _ in range(2):
        engines.take_step(engine, [pack(make_examples(4)), pack(make_examples(4, 1))], recipe, 8 * num_ranks, 1e-3)
    num = sum(map(torch.Size.numel, map(torch.Size, engines.shapes(engine).values())))
    (out / f"{rank}.json").write_text(json.dumps([reckoned / num, (max(seen) - before) / num]))
    group.leave()


@pytest.mark.parametrize(
    ("zero", "precision", "num_ranks", "more"),
    [
        ("zero1", "fp32", 1, 4),  # that copy comes later than this looks
        ("zero1", "bf16", 1, -2),  # bf16 gradients of the last micro-batch, when activations are gone
        ("zero1", "bf16", 2, -2),
        ("zero2", "bf16", 1, 0),
    ],
)
def test_what_training_holds_is_known_before(
    zero: str, precision: str, num_ranks: int, more: float, model: Path, tmp_path: Path
) -> None:
    pids = start_ranks(num_ranks, lambda rank: measure(model, zero, precision, rank, num_ranks, tmp_path), tmp_path)
    assert wait_ranks(pids) == [0] * num_ranks, (tmp_path / "rank-0.txt").read_text()
    reckoned, found = json.loads((tmp_path / "0.json").read_text())  # bytes of a parameter
    assert reckoned - found == pytest.approx(more, abs=0.5)
