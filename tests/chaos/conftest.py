"""A cluster that chance may hurt, and a port for its judge."""

from collections.abc import Iterator

import pytest

from tests.slurm.conftest import Testbed, free_ports, running_testbed


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports()


@pytest.fixture(scope="module")
def testbed(tmp_path_factory, port: int) -> Iterator[Testbed]:
    yield from running_testbed(tmp_path_factory.mktemp("testbed"), ("slurmctld", "munged"), "--port", str(port))
