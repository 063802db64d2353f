"""Every example is seen once an epoch, in an order that only the seed decides."""

from dataclasses import replace

import pytest
from accelerate.data_loader import BatchSamplerShard

from winsweep.study.recipe import PRESETS, Recipe
from winsweep.train.order import permutation, step_rows

TEN = Recipe(global_batch=10)


@pytest.mark.parametrize(("num", "batch"), [(22, 6), (24, 6), (5, 8), (1, 1), (1030, 64)])
def test_an_epoch_sees_each_example_once(num: int, batch: int) -> None:
    recipe = Recipe(global_batch=batch, epochs=1)
    steps = recipe.num_steps(num)
    for epoch in range(3):
        rows = [step_rows(num, recipe, 1, epoch * steps + i) for i in range(steps)]
        assert sorted(row for step in rows for row in step) == list(range(num))
        assert [len(step) for step in rows[:-1]] == [batch] * (steps - 1)


def test_order_depends_on_seed_and_epoch_and_never_changes() -> None:
    assert step_rows(10, TEN, 1, 0) == [5, 1, 2, 0, 4, 7, 6, 3, 9, 8]  # written down: a change here changes every study
    assert len({tuple(step_rows(10, TEN, seed, step)) for seed in range(5) for step in range(5)}) == 25


def test_a_constant_order_is_every_seed_s_and_differs_between_epochs() -> None:
    constant = replace(TEN, order="constant")
    assert len({tuple(step_rows(10, constant, seed, step)) for seed in range(5) for step in range(5)}) == 5


@pytest.mark.parametrize("num", [103, 128, 7, 2, 64])
def test_across_epochs_steps_are_those_of_two_processes_whose_loader_is_accelerate_s(num: int) -> None:
    """Each process has as many rows, the first of an epoch twice where they are odd; a step is so many of each,
    wherever an epoch ends.
    """
    recipe = replace(PRESETS["as_run"], global_batch=16, epochs=5)
    rows_of: list[list[int]] = [[], []]
    for epoch in range(recipe.epochs):
        batches = [[row] for row in permutation(num, 1, epoch)]
        for process, rows in enumerate(rows_of):
            rows += [row for batch in BatchSamplerShard(_Batches(batches), 2, process) for row in batch]
    wanted = [
        [row for pair in zip(*(rows[8 * step : 8 * step + 8] for rows in rows_of)) for row in pair]
        for step in range(len(rows_of[0]) // 8)
    ]
    assert [step_rows(num, recipe, 1, step) for step in range(recipe.num_steps(num))] == wanted


class _Batches(list):
    """Batches of one row, as accelerate asks of a batch sampler."""

    batch_size, drop_last = 1, False
