"""What every test of this folder has: a cluster that it may hurt, and the study that nothing happens to."""

from collections.abc import Iterator

import pytest

from tests.slurm.conftest import ACCOUNTING, Testbed, free_ports, running_testbed
from tests.slurm.faults.study import Sweep, undisturbed


@pytest.fixture(scope="module")
def testbed(tmp_path_factory) -> Iterator[Testbed]:
    """A cluster of its own: after what happens to its nodes here, SLURM may not count their GPUs right."""
    yield from running_testbed(
        tmp_path_factory.mktemp("testbed"), ("slurmctld", "munged"), "--port", str(free_ports()), *ACCOUNTING
    )


@pytest.fixture(scope="session")
def quiet(tmp_path_factory) -> Sweep:
    return undisturbed(tmp_path_factory.getbasetemp())
