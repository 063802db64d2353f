"""Which examples an optimizer step holds, and which rank computes which of them."""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache


@lru_cache(maxsize=2)
def permutation(num_examples: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The rows of one epoch, each once; a function of its arguments alone, on every platform and library version."""
    return tuple(sorted(range(num_examples), key=lambda row: hashlib.sha256(f"{seed}/{epoch}/{row}".encode()).digest()))


def step_rows(num_examples: int, global_batch: int, seed: int, step: int) -> list[int]:
    """Rows of optimizer step `step` (0-based); an epoch's last step holds what is left, so it may be short."""
    epoch, place = divmod(step, math.ceil(num_examples / global_batch))
    return list(permutation(num_examples, seed, epoch)[place * global_batch : (place + 1) * global_batch])


def share(rows: Sequence[int], rank: int, num_ranks: int, micro_batch: int, accumulation: int) -> list[list[int]]:
    """The rank's part of a step as exactly `accumulation` micro-batches; the ranks' parts are disjoint and cover `rows`.

    The number is constant because collectives must match between ranks; the last micro-batches may be empty.
    """
    mine = rows[rank::num_ranks]
    assert len(mine) <= micro_batch * accumulation
    return [list(mine[i * micro_batch : (i + 1) * micro_batch]) for i in range(accumulation)]
