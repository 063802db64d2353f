"""A step is split over ranks and micro-batches so that every example is there once, no part is too large, and few slots
are idle.
"""

import json
import random
from pathlib import Path

import pytest

from winsweep.train.pack import num_slots, packed_grid, packed_size, padded_grid, padded_size

LIMA = Path(__file__).parents[1] / "benchmarks" / "lima_lengths.json"
KINDS = [(packed_grid, packed_size), (padded_grid, padded_size)]


@pytest.mark.parametrize(("split", "size"), KINDS)
def test_every_example_is_in_one_part_and_parts_fit(split, size) -> None:
    rng = random.Random(0)
    for _ in range(300):
        lengths = [rng.choice([1, 2, rng.randint(1, 50)]) for _ in range(rng.randint(1, 20))]
        num_ranks, budget = rng.randint(1, 5), rng.randint(1, 120)
        grid = split(lengths, num_ranks, budget)
        assert sorted(i for micro in grid for part in micro for i in part) == list(range(len(lengths)))
        assert {len(micro) for micro in grid} == {num_ranks}
        assert (
            all(size(part, lengths) <= budget or len(part) == 1 for micro in grid for part in micro)
            or max(lengths) > budget
        )
        assert all(size(part, lengths) <= max(budget, *lengths) for micro in grid for part in micro)
        assert grid == split(lengths, num_ranks, budget)


def test_a_rank_without_examples_still_takes_part() -> None:
    assert packed_grid([5], 3, 10) == [[[0], [], []]] and padded_grid([5], 3, 10) == [[[0], [], []]]


def test_packed_parts_are_as_few_as_the_budget_allows() -> None:
    assert [len(micro) for micro in packed_grid([6, 5, 4, 3, 2], 1, 20)] == [1]
    grid = packed_grid([6, 5, 4, 3, 2], 1, 12)
    assert [[packed_size(part, [6, 5, 4, 3, 2]) for part in micro] for micro in grid] == [[11], [9]]


def test_padded_parts_hold_examples_of_like_length() -> None:
    assert padded_grid([2, 9, 2, 9, 2], 1, 18) == [[[1, 3]], [[0, 2, 4]]]
    assert padded_size([1, 3, 0], [2, 9, 2, 9, 2]) == 27 and padded_size([], [2]) == 0


@pytest.mark.parametrize("num_ranks", [1, 2, 4, 8])
def test_lima_leaves_few_slots_idle(num_ranks: int) -> None:
    """Full steps of 64 with at most 8,192 tokens a part: ranks of one example at a time in lock step keep 43 % with 8
    of them.
    """
    rng, lengths = random.Random(1), [min(2048, length) for length, _ in json.loads(LIMA.read_text())]
    steps = [rng.sample(lengths, 64) for _ in range(20)]
    grids = [packed_grid(step, num_ranks, 8192) for step in steps]
    slots = sum(
        num_slots([[packed_size(part, step) for part in micro] for micro in grid]) for step, grid in zip(steps, grids)
    )
    assert 0.99 <= sum(map(sum, steps)) / slots <= 1
