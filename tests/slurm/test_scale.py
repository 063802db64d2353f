"""A study of 1,000 cells on a real SLURM, and the rest of one of 10,000, their stages short: they end by themselves,
and slurmctld is asked little.

WINSWEEP_SCALE=10x2 tries the first with 10 tasks and 2 seeds, WINSWEEP_REST=3x5x6 the second with 3 models of 5 arms
and 6 cells that are left to the queue.
"""

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import short_stages
from tests.benchmarks.bench_submit import count
from tests.slurm.conftest import Testbed, free_ports, running_testbed, wait_for

NUM_TASKS, NUM_SEEDS = map(int, os.environ.get("WINSWEEP_SCALE", "100x10").split("x"))
NUM_CELLS = NUM_TASKS * NUM_SEEDS
NUM_MODELS, NUM_ARMS, NUM_LEFT = map(int, os.environ.get("WINSWEEP_REST", "100x100x40").split("x"))
# a cell is two tasks of SLURM: its model with its answers, and its judgement
CLUSTER = """\
kind: slurm
all: {partition: main, time_min: 30, signal_s: 30, timeout_s: 60}
stages: {generate: {where: with_input}}
"""


class Study:
    """A copy of the checkout with short stages, a study of its own beside it, and the commands on it."""

    def __init__(self, folder: Path, testbed: Testbed, text: str, cluster: str = CLUSTER) -> None:
        self.folder, self.testbed, self.store = folder, testbed, folder / "runs"
        self.code = short_stages.copy_checkout(folder / "code")
        (folder / "study.yaml").write_text(text)
        (folder / "c.yaml").write_text(cluster)

    def typed(self, name: str, *words: str) -> tuple[list[str], dict[str, str]]:
        """A command on the study, and its environment."""
        env = {k: v for k, v in self.testbed.env.items() if k != "PYTHONPATH"}
        command = [sys.executable, str(self.code / f"launch/{name}.py"), str(self.folder / "study.yaml")]
        return [*command, *words, "--store", str(self.store)], env

    def on(self, name: str, *words: str) -> str:
        command, env = self.typed(name, *words)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
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
    study = Study(tmp_path, testbed, short_stages.study_text(NUM_TASKS, NUM_SEEDS))
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


@pytest.fixture
def small_arrays(tmp_path_factory) -> Iterator[Testbed]:
    """A cluster whose arrays have eleven tasks at most."""
    folder, port = tmp_path_factory.mktemp("small_arrays"), str(free_ports())
    yield from running_testbed(folder, ("slurmctld", "munged"), "--port", port, "--max-array-size", "12")


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_the_rest_of_ten_thousand_cells_goes_through_the_queue_to_the_table(small_arrays, tmp_path):
    """Most results are made outside the queue. The launcher, the finalizer, `--watch`, the table and the report see
    10,000 cells.
    """
    cluster = "kind: slurm\nall: {partition: main, time_min: 60, signal_s: 30, timeout_s: 60}\n"
    study = Study(tmp_path, small_arrays, short_stages.untrained_text(NUM_MODELS, NUM_ARMS), cluster)
    num_cells = NUM_MODELS * NUM_ARMS
    made = short_stages.copy_results(study.code, tmp_path / "study.yaml", study.store, tmp_path / "c.yaml", NUM_LEFT)
    assert f"{2 * NUM_LEFT} left" in made
    assert "SLURM refuses" not in study.on("sweep", "--cluster", str(tmp_path / "c.yaml"), "--dry-run")
    said, asked = study.sweep()
    num_arrays = len(re.findall(r"^job \d+: (?!finalizer)", said, re.MULTILINE))
    assert -(-2 * NUM_LEFT // 11) <= num_arrays <= 4 + 3 * NUM_LEFT // 11, said
    assert max(map(len, said.splitlines())) < 1000, "no line names every cell"
    # an array, the finalizer, the watchdog, and at most two that were refused
    assert asked["REQUEST_SUBMIT_BATCH_JOB"] <= num_arrays + 4
    command, env = study.typed("status", "--watch", "--json")
    with open(tmp_path / "watched", "wb") as out:
        watch = subprocess.Popen(command, env=env, stdout=out)
    small_arrays.run("sdiag", "--reset")
    wait_for(lambda: not small_arrays.run("squeue", "-h"), 4 * 3600 - 600)
    assert watch.wait(1200) == 0
    looks = (tmp_path / "watched").read_bytes().splitlines()
    last = json.loads(looks[-1])
    assert last["num_left"] == 0 and last["num_done"] == num_cells
    assert all(len(line) < 1e6 for line in looks[1:]), "a line has what changed"
    rows = list(csv.DictReader((study.store / "results/untrained.csv").read_text(encoding="utf-8").splitlines()))
    assert Counter(row["seed"] == "mean" for row in rows)[False] == num_cells
    assert (study.store / "results/untrained.html").stat().st_size < 30e6
    assert f"{num_cells} of {num_cells} cells done" in study.on("status")
    assert study.sweep()[1] == {}, "nothing is missing, so SLURM is not asked"
