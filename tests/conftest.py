"""What every test may use: the checkout's own code, a study written to a temporary directory, real data where it is at hand."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may depend on a hub, nor wait for one
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side: threads that spin take the cores from each other
sys.path.insert(0, str(ROOT / "src"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side (`-n 2 --dist loadgroup`), a file's tests stay together, and those of SLURM, which take longest, begin first and never meet."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.path)))
    items.sort(key=lambda item: group_of(item.path) != "slurm")


def group_of(path: Path) -> str:
    name = path.relative_to(ROOT / "tests").with_suffix("").as_posix()
    return "slurm" if name.startswith("slurm/") else name


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
