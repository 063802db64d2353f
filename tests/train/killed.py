"""Runs of twelve steps that are killed: their recipes, and what is done to their checkpoints."""

from dataclasses import replace
from pathlib import Path

from tests.train.world import World
from winsweep.study.recipe import Recipe

RECIPE = Recipe(lr=3e-3, epochs=3, global_batch=6, warmup_ratio=0.2, precision="fp32")  # 12 steps
BF16 = replace(RECIPE, precision="bf16")


def stopped_at_5(world: World) -> Path:
    world.killed_at(rank=0, event="progress", step=5)
    return world.work / "checkpoint-3"


def damage(checkpoint: Path) -> None:
    victim = next(checkpoint.rglob("*optim_states.pt"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
