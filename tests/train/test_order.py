"""Every example is seen once an epoch, in an order that only the seed decides."""

import pytest

from winsweep.study.recipe import Recipe
from winsweep.train.order import step_rows


@pytest.mark.parametrize("num, batch", [(22, 6), (24, 6), (5, 8), (1, 1), (1030, 64)])
def test_an_epoch_sees_each_example_once(num: int, batch: int) -> None:
    steps = Recipe(global_batch=batch).steps_per_epoch(num)
    for epoch in range(3):
        rows = [step_rows(num, batch, 1, epoch * steps + i) for i in range(steps)]
        assert sorted(row for step in rows for row in step) == list(range(num))
        assert [len(step) for step in rows[:-1]] == [batch] * (steps - 1)


def test_order_depends_on_seed_and_epoch_and_never_changes() -> None:
    assert step_rows(10, 10, 1, 0) == [5, 1, 2, 0, 4, 7, 6, 3, 9, 8]  # written down: a change here changes every study
    assert len({tuple(step_rows(10, 10, seed, step)) for seed in range(5) for step in range(5)}) == 25
