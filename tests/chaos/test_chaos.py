"""Twenty faults of a fixed seed on a small study; `make chaos SEED=N FAULTS=200` is the whole."""

import pytest

from tests.chaos.plan import plan
from tests.chaos.run import FAULTS, once
from tests.chaos.study import Size
from tests.slurm.conftest import Testbed

SEED, COUNT, SMALL = 7, 20, Size("a", ("ins", "sum"), (1,))
pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]


def test_a_study_comes_through_twenty_faults_as_if_there_were_none(testbed: Testbed, port: int, tmp_path):
    run = once(tmp_path, testbed, port + 150, SEED, plan(SEED, COUNT, list(FAULTS)), SMALL)
    assert len(run.rows) == COUNT
    assert not run.problems, "\n".join([*run.problems, *run.notes, *map(str, run.rows)])
