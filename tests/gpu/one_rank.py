"""Finetunes by one rank in forked processes, as the fork server starts them: one_rank.py FOLDER

Writes FOLDER/told.json. A process of its own, because a GPU that a test has used before cannot be used after a fork.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from tests.train.killed import BF16  # noqa: E402
from tests.train.world import VOCAB, World, start_ranks, wait_ranks  # noqa: E402
from winsweep.train import engine as engines  # noqa: E402
from winsweep.train.rank_group import join  # noqa: E402

SIZES = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
RECIPE = replace(BF16, epochs=2)  # 8 steps
LIMIT_S = 90.0


def backend(folder: Path) -> None:
    """What carries a sum of this rank's numbers, and the sum."""
    group = join(rank=0, num_ranks=1, meeting=folder / "meeting", timeout_s=60)
    engines.open_device(group)
    group.limit_waits()
    numbers = torch.arange(8.0, device="cuda" if torch.cuda.is_available() else "cpu")
    dist.all_reduce(numbers)
    carrier = dist.group.WORLD._get_backend(numbers.device).name()
    told = {"backend": carrier, "sum": numbers.sum().item(), "host": group.sum(1.5, 2.0)}
    (folder / "backend.json").write_text(json.dumps(told))
    group.leave()


def world(folder: Path, base: Path, zero: str, behind: bool = True) -> World:
    placed = {"micro_tokens": 28, "checkpoint_steps": 3, "checkpoint_behind": behind}
    made = World(folder / zero, base, zero, 1, RECIPE, **placed)
    made.timeout_s = 60.0
    made.run = lambda: wait_ranks(made.start(), LIMIT_S)
    return made


def told(made: World) -> dict:
    return {"losses": made.losses(), "packing": made.notes()["packing"], "resumed": made.notes()["resumed"]}


def main(folder: Path) -> None:
    torch.manual_seed(0)
    base = folder / "base"
    LlamaForCausalLM(LlamaConfig(**SIZES, vocab_size=VOCAB, max_position_embeddings=64)).save_pretrained(base)
    found = {}
    codes = wait_ranks(start_ranks(1, lambda rank: backend(folder), folder / "logs"), LIMIT_S)
    found["backend"] = json.loads((folder / "backend.json").read_text()) if codes == [0] else {}
    for zero in ("zero1", "zero2", "zero3") if torch.cuda.is_available() else ("zero1",):
        found[zero] = told(world(folder / "whole", base, zero).done())
    killed = world(folder / "killed", base, "zero1", behind=False)  # there when the next step begins
    killed.killed_at(rank=0, event="progress", step=5)
    found["resumed"] = told(killed.done()) | {"checkpoints": killed.checkpoints()}
    (folder / "told.json").write_text(json.dumps(found))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main(Path(sys.argv[1]))
