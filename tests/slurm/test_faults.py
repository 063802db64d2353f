"""Faults on a real SLURM: dead and hung ranks, a lost node, a controller that is away; the results are those of a run without any."""

import os
import random
import signal
import time

import pytest

from tests.slurm.conftest import Bed, wait_for
from tests.slurm.faults import SEEDS, SLURM, Attempts, Sweep, check_through, kill, undisturbed

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory) -> Sweep:
    return undisturbed(tmp_path_factory.getbasetemp())


def test_ranks_die_hang_and_stop_and_the_results_are_the_same(testbed: Bed, quiet: Sweep, tmp_path):
    """One cell loses rank 0, one rank 1, one rank hangs, and one is stopped whose raw job id is that of the whole array."""
    sweep = Sweep(tmp_path, SEEDS, SLURM, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    wait_for(lambda: all(attempts.trains(s, 25) for s in SEEDS), 180)
    asked = next(s for s in SEEDS if is_whole_array(testbed, attempts.task(s)))
    killed_0, killed_1, hung = (s for s in SEEDS if s != asked)
    attempts.signal(hung, 1, signal.SIGSTOP)
    at = time.monotonic()
    testbed.run("scancel", "--signal=USR2", attempts.task(asked))
    attempts.signal(killed_0, 0, signal.SIGKILL)
    attempts.signal(killed_1, 1, signal.SIGKILL)
    wait_for(lambda: sweep.kinds(hung), 60)
    assert time.monotonic() - at < 12 + 8
    check_through(testbed, sweep, SEEDS, quiet)
    kinds = {name: sweep.kinds(s) for name, s in zip(("asked", "killed 0", "killed 1", "hung"), (asked, killed_0, killed_1, hung))}
    assert kinds == {"asked": ["time limit", "done"], "killed 0": ["killed", "done"], "killed 1": ["killed", "done"], "hung": ["hang", "done"]}
    assert list(sweep.restarts(asked).values()) == [1] and {n for s in (killed_0, killed_1, hung) for n in sweep.restarts(s).values()} == {0}
    assert all(e["progress"] > 25 for s in SEEDS for e in sweep.ends(s)[:1])


def is_whole_array(bed: Bed, task: str) -> bool:
    """Whether `scontrol requeue` of this task's raw job id would take its siblings along."""
    return bed.field(task, "JobId") == task.partition("_")[0]


def test_a_node_dies_and_the_controller_is_away(testbed: Bed, quiet: Sweep, tmp_path):
    sweep = Sweep(tmp_path, SEEDS[:2], SLURM, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    wait_for(lambda: all(attempts.trains(s, 25) for s in SEEDS[:2]), 180)
    task, node = attempts.task(1), attempts.node(1, 0)
    for pid in [testbed.pids()[node], *attempts.on_node(node)]:
        kill(pid, signal.SIGKILL)
    wait_for(lambda: testbed.field(task, "Restarts") == "1", 60)
    testbed.control("up")
    wait_for(lambda: attempts.trains(1, 25), 120)
    os.kill(testbed.pids()["slurmctld"], signal.SIGTERM)
    time.sleep(float(os.environ.get("WINSWEEP_AWAY_S", 20)))
    testbed.control("up")
    check_through(testbed, sweep, SEEDS[:2], quiet)
    assert sweep.kinds(1) == ["node", "done"]


def test_launchers_are_killed_and_meet_and_nothing_is_lost_or_made_twice(testbed: Bed, quiet: Sweep, tmp_path):
    sweep, chance = Sweep(tmp_path, [1], SLURM, testbed.env), random.Random(5)
    for _ in range(20):
        process = sweep.start()
        time.sleep(chance.uniform(0.2, 0.6))
        process.kill()
        process.communicate(timeout=60)
    both = [sweep.start(), sweep.start()]
    said = [p.communicate(timeout=200)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    check_through(testbed, sweep, [1], quiet)
