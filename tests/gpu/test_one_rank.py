"""A finetune by one rank: over NCCL, with every stage of ZeRO, packed, and killed and resumed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def told(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("one_rank")
    command = [sys.executable, str(Path(__file__).with_name("one_rank.py")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    logs = "".join(path.read_text(errors="replace")[-3000:] for path in sorted(folder.rglob("rank-*.txt")))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return json.loads((folder / "told.json").read_text())


def test_numbers_on_a_gpu_go_by_nccl_and_those_on_the_host_by_gloo(told: dict, device: torch.device) -> None:
    assert told["backend"] == {
        "backend": "nccl" if device.type == "cuda" else "gloo",
        "sum": 28.0,
        "host": [1.5, 2.0],
    }


def test_every_stage_trains_packed_and_to_the_same_losses(told: dict) -> None:
    stages = [name for name in told if name.startswith("zero")]
    for name in stages:
        assert told[name]["packing"]["packed"] is True, told[name]["packing"]
        assert told[name]["losses"] == pytest.approx(told["zero1"]["losses"], rel=0.01)
    assert len(told["zero1"]["losses"]) == 8 and told["zero1"]["losses"][-1] < told["zero1"]["losses"][0]


def test_a_killed_run_goes_on_from_its_checkpoint(told: dict, device: torch.device) -> None:
    assert "went on from checkpoint-3" in "".join(told["resumed"]["resumed"])
    close = 1e-3 if device.type == "cuda" else 0.0  # a kernel may add a gradient up in any order
    assert told["resumed"]["losses"] == pytest.approx(told["zero1"]["losses"], rel=close, abs=0.0)
