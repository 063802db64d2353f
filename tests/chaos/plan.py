"""Which faults come, in which order and with which parameters: a pure function of the seed and their number."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Fault:
    """One fault: its name, how long after the one before it comes, which of its targets it takes and how long it lasts
    [s]. `which` and `how` are shares, of whatever there is to choose from when it comes.
    """

    name: str
    pause_s: float
    which: float
    how: float
    lasts_s: float


def plan(seed: int, count: int, names: Sequence[str]) -> list[Fault]:
    """`count` faults; every kind comes before any comes again, so that a run of few has as many kinds as it can."""
    chance, order = random.Random(seed), list[str]()
    while len(order) < count:
        order += chance.sample(sorted(names), len(names))
    return [
        Fault(
            name,
            round(chance.uniform(0, LONGEST_PAUSE_S), 3),
            round(chance.random(), 6),
            round(chance.random(), 6),
            round(chance.uniform(2, 12), 3),
        )
        for name in order[:count]
    ]
