"""A study of 1,000 cells on a real SLURM, its stages short: it ends by itself, and slurmctld is asked little.

WINSWEEP_SCALE=10x2 tries the test with 10 tasks and 2 seeds.
"""

import csv
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks import short_stages
from tests.benchmarks.bench_submit import count
from tests.slurm.conftest import Testbed, wait_for

NUM_TASKS, NUM_SEEDS = map(int, os.environ.get("WINSWEEP_SCALE", "100x10").split("x"))
NUM_CELLS = NUM_TASKS * NUM_SEEDS
# a cell is two tasks of SLURM: its model with its answers, and its judgement
CLUSTER = """\
kind: slurm
all: {partition: main, time_min: 30, signal_s: 30, timeout_s: 60}
stages: {generate: {where: with_input}}
"""


class Study:
    """A copy of the checkout with short stages, a study of its own beside it, and the commands on it."""

    def __init__(self, folder: Path, testbed: Testbed) -> None:
        self.folder, self.testbed, self.store = folder, testbed, folder / "runs"
        self.code = short_stages.copy_checkout(folder / "code")
        (folder / "study.yaml").write_text(short_stages.study_text(NUM_TASKS, NUM_SEEDS))
        (folder / "c.yaml").write_text(CLUSTER)

    def on(self, name: str, *words: str) -> str:
        env = {k: v for k, v in self.testbed.env.items() if k != "PYTHONPATH"}
        command = [sys.executable, str(self.code / f"launch/{name}.py"), str(self.folder / "study.yaml")]
        done = subprocess.run(
            [*command, *words, "--store", str(self.store)], env=env, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sweep(self) -> tuple[str, dict[str, int]]:
        """What the launcher says, and the RPCs of jobs that slurmctld counted meanwhile."""
        self.testbed.run("sdiag", "--reset")
        said = self.on("sweep", "--cluster", str(self.folder / "c.yaml"))
        counted = count(self.testbed.run("sdiag"))
        return said, {name: num for name, num in counted.items() if "JOB" in name and "COMPLETE" not in name}


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_a_thousand_cells_end_by_themselves(testbed, tmp_path):
    study = Study(tmp_path, testbed)
    testbed.run("scontrol", "update", "partition=main", "state=down")  # so that only our own calls are counted
    _, asked = study.sweep()
    testbed.run("scontrol", "update", "partition=main", "state=up")
    assert asked.pop("REQUEST_SUBMIT_BATCH_JOB") <= 16, "not a job for each cell"
    assert sum(asked.values()) <= 4, asked
    wait_for(lambda: not testbed.run("squeue", "-h"), 4 * 3600 - 600)
    rows = list(csv.DictReader((study.store / "results/many.csv").read_text(encoding="utf-8").splitlines()))
    assert Counter(row["seed"] == "mean" for row in rows) == {False: NUM_CELLS, True: NUM_TASKS}
    assert (study.store / "results/many.html").exists()
    claimed = Counter(len(list(p.iterdir())) for p in study.store.glob(".work/judge/*/claims"))
    assert claimed == {1: NUM_CELLS}, "each by one attempt"
    assert f"{NUM_CELLS} of {NUM_CELLS} cells done" in study.on("status")
    said, asked = study.sweep()
    assert not asked and not re.search(r"job \d", said), "nothing is missing, so SLURM is not asked"
    study.on("prune", "--yes")
    assert len(list(study.store.glob("collect/*"))) == NUM_CELLS and not list(study.store.glob("finetune/*"))
    assert study.sweep()[1] == {}
