"""What every test may use: the checkout's own code, a study written to a temporary directory, real data where it is at
hand.
"""

import os
import sys
from pathlib import Path

import hypothesis  # noqa: F401 - before any gc.freeze(), after which its look at a plug-in of trio (by selenium) warns
import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may depend on a hub, nor wait for one
# tests run side by side: threads that spin take the cores from each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(ROOT / "src"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """SLURM's tests come first, as they take longest and mostly wait."""
    items.sort(key=lambda item: group_of(item.nodeid) != "slurm")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Side by side (`-n 2`), tests of one file stay in one process, and all of SLURM's in one, so that no two clusters
    take the cores from each other.

    xdist's own `--dist loadgroup` does not see groups under pytest 9.2, and says nothing.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def group_of(nodeid: str) -> str:
    return "slurm" if nodeid.startswith("tests/slurm/") else nodeid.partition("::")[0]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data beside the checkout; skips where there is none."""
    folder = Path(os.environ.get("WINSWEEP_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set WINSWEEP_DATA to a folder that has it")
    return folder
