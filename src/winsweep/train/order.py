"""Which examples an optimizer step holds."""

import hashlib
import math
from functools import lru_cache


@lru_cache(maxsize=2)
def permutation(num_examples: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The rows of one epoch, each once; a function of its arguments alone, on every platform and library version."""
    return tuple(sorted(range(num_examples), key=lambda row: hashlib.sha256(f"{seed}/{epoch}/{row}".encode()).digest()))


def step_rows(num_examples: int, global_batch: int, seed: int, step: int) -> list[int]:
    """Rows of optimizer step `step` (0-based); an epoch's last step holds what is left, so it may be short."""
    epoch, place = divmod(step, math.ceil(num_examples / global_batch))
    return list(permutation(num_examples, seed, epoch)[place * global_batch : (place + 1) * global_batch])
