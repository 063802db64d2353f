"""What every test may use: the checkout's own code, a study written to a temporary directory, real data where it is at hand."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may depend on a hub, nor wait for one
sys.path.insert(0, str(ROOT / "src"))


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
