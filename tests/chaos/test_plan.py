"""A seed fixes the faults, their order and their parameters; each kind comes before any comes again."""

from collections import Counter

import pytest

from tests.chaos.hurt_disk import unsynced
from tests.chaos.plan import plan
from tests.chaos.run import FAULTS

COUNT = 200


def test_the_same_seed_gives_the_same_faults_and_another_one_others():
    assert plan(3, COUNT, list(FAULTS)) == plan(3, COUNT, list(reversed(FAULTS)))
    assert [f.name for f in plan(3, COUNT, list(FAULTS))] != [f.name for f in plan(4, COUNT, list(FAULTS))]
    assert plan(3, COUNT, list(FAULTS))[:20] != plan(4, COUNT, list(FAULTS))[:20]


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_comes_as_often_as_any_other(seed):
    times = Counter(f.name for f in plan(seed, COUNT, list(FAULTS)))
    assert times.keys() == FAULTS.keys() and max(times.values()) - min(times.values()) <= 1


def test_what_a_process_had_not_synced_is_known_from_what_the_shim_noted():
    text = "W 7 100 0\nW 7 100 5\nW 8 200 3\nS 7 100 9\nW 7 100 9\nW 7 300 0\nS 9 300 4\nhalf a li"
    assert unsynced(text, 7) == {100: 9} and unsynced(text, 8) == {200: 3} and unsynced(text, 9) == {}
