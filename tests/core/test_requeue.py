"""A stopped task asks SLURM for another turn; what SLURM says of it comes from stand-ins of its two commands on the
path.
"""

import os

import pytest

from winsweep.slurm import node


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins: squeue says one line of `states` after the other, scontrol notes what it is asked."""
    (tmp_path / "squeue").write_text(f"#!/bin/sh\nhead -n1 {tmp_path}/states; sed -i 1d {tmp_path}/states\n")
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    for name in ("squeue", "scontrol"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("states", ["RUNNING", "SIGNALING\nRUNNING", "SIGNALING\nSIGNALING\nSIGNALING\nRUNNING"])
def test_a_task_that_slurm_is_signaling_has_not_left_the_queue(slurm, states):
    (slurm / "states").write_text(f"{states}\n")
    node.requeue("7_3")
    assert (slurm / "asked").read_text() == "requeue 7_3\n"


@pytest.mark.parametrize("states", ["CANCELLED", "COMPLETING", "SIGNALING\nCANCELLED", "SIGNALING\nPENDING", ""])
def test_a_task_that_was_cancelled_or_waits_again_asks_for_nothing(slurm, states):
    (slurm / "states").write_text(f"{states}\n")
    node.requeue("7_3")
    assert not (slurm / "asked").exists()
