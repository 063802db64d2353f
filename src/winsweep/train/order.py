"""Which examples an optimizer step holds."""

import math
from functools import lru_cache

import numpy as np

from winsweep.study.recipe import Recipe
from winsweep.text.draw import shuffled


@lru_cache(maxsize=2)
def permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    """The rows of one epoch, each once; a function of its arguments alone, on every platform and library version. (N,),
    int32.
    """
    return shuffled(num_examples, lambda row: f"{seed}/{epoch}/{row}")


def step_rows(num_examples: int, recipe: Recipe, seed: int, step: int) -> list[int]:
    """Rows of optimizer step `step` (0-based): within epochs the last one of each may be short; across epochs all are
    full.
    """
    seed, size = 0 if recipe.order == "constant" else seed, recipe.global_batch
    if recipe.accumulate == "within_epochs":
        epoch, position = divmod(step, math.ceil(num_examples / size))
        return permutation(num_examples, seed, epoch)[position * size : (position + 1) * size].tolist()
    positions = (divmod(at, recipe.rows_per_epoch(num_examples)) for at in range(step * size, (step + 1) * size))
    # an epoch that repeats begins again
    return [int(permutation(num_examples, seed, epoch)[position % num_examples]) for epoch, position in positions]
