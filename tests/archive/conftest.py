"""A finished study with a local file, archived once without and once with its data; tests only read them."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store import finished_store
from winsweep.archive import packing
from winsweep.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src/winsweep", "jobs", "launch", "slurm/clusters", "ds_configs")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return finished_store.make(tmp_path_factory.mktemp("archived"))


@pytest.fixture(scope="session")
def bare(made: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packing.pack(made, tmp_path_factory.mktemp("bare") / "kept.zip").file


@pytest.fixture(scope="session")
def whole(made: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packing.pack(made, tmp_path_factory.mktemp("whole") / "kept.zip", True, True).file


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout once more, in another place."""
    folder = tmp_path_factory.mktemp("elsewhere") / "checkout"
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "testbed"))
    shutil.copyfile(ROOT / "slurm/stages.yaml", folder / "slurm/stages.yaml")
    return folder


@pytest.fixture
def reproduce(tmp_path: Path) -> Callable[..., str]:
    """The command of a checkout, whose exit code is checked; what it prints."""

    def call(*words: object, checkout: Path = ROOT, code: int = 0) -> str:
        line = [sys.executable, checkout / "launch/reproduce.py", *words]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": ""}
        done = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=300, cwd=tmp_path, env=env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call
