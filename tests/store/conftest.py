"""A finished store, and a copy of it that may be damaged."""

from pathlib import Path

import pytest

from tests.store import finished_store
from winsweep.workspace import Workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return finished_store.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def copy(made: Workspace, tmp_path: Path) -> Path:
    return finished_store.copied(made, tmp_path / "runs")
