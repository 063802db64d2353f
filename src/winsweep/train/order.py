"""Which examples an optimizer step holds."""

import hashlib
import math
from functools import lru_cache

from winsweep.study.recipe import Recipe


@lru_cache(maxsize=2)
def permutation(num_examples: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The rows of one epoch, each once; a function of its arguments alone, on every platform and library version."""
    return tuple(sorted(range(num_examples), key=lambda row: hashlib.sha256(f"{seed}/{epoch}/{row}".encode()).digest()))


def step_rows(num_examples: int, recipe: Recipe, seed: int, step: int) -> list[int]:
    """Rows of optimizer step `step` (0-based): within epochs the last one of each may be short; across epochs all are
    full.
    """
    seed, size = 0 if recipe.order == "constant" else seed, recipe.global_batch
    if recipe.accumulate == "within_epochs":
        epoch, position = divmod(step, math.ceil(num_examples / size))
        return list(permutation(num_examples, seed, epoch)[position * size : (position + 1) * size])
    positions = (divmod(at, recipe.rows_per_epoch(num_examples)) for at in range(step * size, (step + 1) * size))
    # an epoch that repeats begins again
    return [permutation(num_examples, seed, epoch)[position % num_examples] for epoch, position in positions]
