"""The whole of paper.yaml on real daemons, with tiny models: validation, picks, test seeds and head-to-heads in one
submission.
"""

import subprocess
import sys

import pytest

from tests.local.paper import ROOT, check, overlay
from tests.slurm.test_study import drained

CLUSTER = """\
kind: slurm
all: {partition: main, time_min: 20, signal_s: 30, timeout_s: 120}
stages: {finetune: {gpus_per_rank: 1, zero: zero2}, generate: {gpus_per_rank: 1, where: with_input}}
"""


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_one_submission_makes_the_whole_paper(testbed, tmp_path, data):
    study = overlay(tmp_path, data)
    (tmp_path / "c.yaml").write_text(CLUSTER)
    command = [
        sys.executable,
        str(ROOT / "launch/sweep.py"),
        str(study),
        "--store",
        str(tmp_path / "runs"),
        "--cluster",
        str(tmp_path / "c.yaml"),
    ]
    done = subprocess.run(command, env=testbed.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    # validation runs, and the test runs that wait for what they pick
    assert done.stdout.count("finetune+collect+generate, ") == 2
    drained(testbed, 1500)
    check(tmp_path)
