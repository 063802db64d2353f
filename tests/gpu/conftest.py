"""The device that these tests want; with WINSWEEP_GPU_REHEARSAL set, the CPU stands in for a GPU that is not there."""

import os

import pytest
import torch


@pytest.fixture(scope="session")
def device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    if not os.environ.get("WINSWEEP_GPU_REHEARSAL"):
        pytest.skip("wants a GPU")
    return torch.device("cpu")
