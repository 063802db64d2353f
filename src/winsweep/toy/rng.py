"""Random choices that are the same on every platform and Python version: all are made from `Random.random` alone.

Of the methods of random.Random only that one's stream is promised to stay; a string seed goes through sha512.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """A stream of choices that is fixed by its name."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(name)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def below(self, end: int) -> int:
        """An integer of 0 … end-1."""
        return int(self._random.random() * end)

    def between(self, low: int, high: int) -> int:
        """An integer of low … high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def weighted(self, weights: dict[str, float]) -> str:
        """A name drawn in proportion to its weight."""
        left = self._random.random() * sum(weights.values())
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return name

    def sample(self, options: Sequence[T], num: int) -> list[T]:
        """`num` different entries in random order (the first steps of a Fisher-Yates shuffle)."""
        pool = list(options)
        for i in range(num):
            j = self.between(i, len(pool) - 1)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:num]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        return self.sample(options, len(options))
