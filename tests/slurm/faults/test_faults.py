"""Faults on a real SLURM: dead and hung ranks, a lost node, a controller that is away; the results are those of a run
without any.
"""

import os
import random
import signal
import time

import pytest

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.faults.study import FAST, SEEDS, SLOW, SLOWLY, SLURM, Attempts, Sweep, check_through, is_alive, kill

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]


def test_ranks_die_hang_and_stop_and_the_results_are_the_same(testbed: Testbed, quiet: Sweep, tmp_path):
    """One cell loses rank 0, one rank 1, one rank hangs, and one is stopped whose raw job id is that of the whole
    array.
    """
    sweep = Sweep(tmp_path, SEEDS, SLURM, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    wait_for(lambda: all(attempts.trains(s, 25) for s in SEEDS), 180)
    asked = next(s for s in SEEDS if is_whole_array(testbed, attempts.task(s)))
    killed_0, killed_1, hung = (s for s in SEEDS if s != asked)
    nodes = [attempts.node(*of) for of in ((killed_0, 0), (killed_1, 1), (hung, 1))]
    attempts.signal(hung, 1, signal.SIGSTOP)
    at = time.monotonic()
    testbed.run("scancel", "--signal=USR2", attempts.task(asked))
    attempts.signal(killed_0, 0, signal.SIGKILL)
    attempts.signal(killed_1, 1, signal.SIGKILL)
    wait_for(lambda: sweep.kinds(hung), 90)
    assert time.monotonic() - at < 60  # not the ten minutes that a rank may compute before the others call it hung
    check_through(testbed, sweep, SEEDS, quiet)
    kinds = {
        name: sweep.kinds(s)
        for name, s in zip(("asked", "killed 0", "killed 1", "hung"), (asked, killed_0, killed_1, hung))
    }
    assert kinds == {
        "asked": ["time limit", "done"],
        "killed 0": ["killed", "done"],
        "killed 1": ["killed", "done"],
        "hung": ["hang", "done"],
    }
    assert [sweep.ends(s)[0]["node"] for s in (killed_0, killed_1, hung)] == nodes
    assert list(sweep.restarts(asked).values()) == [1] and {
        n for s in (killed_0, killed_1, hung) for n in sweep.restarts(s).values()
    } == {0}
    assert all(e["progress"] > 25 for s in SEEDS for e in sweep.ends(s)[:1])


def is_whole_array(testbed: Testbed, task: str) -> bool:
    """Whether `scontrol requeue` of this task's raw job id would take its siblings along."""
    return testbed.field(task, "JobId") == task.partition("_")[0]


def test_nodes_die_or_are_out_of_sight_and_the_controller_is_away(testbed: Testbed, quiet: Sweep, tmp_path):
    """SLURM loses two nodes. One cell loses its rank 0 with them; the ranks of the other live on and save while their
    task begins again.
    """
    # SLURM 22.05 miscounts those of a job all of whose nodes went down
    without = SLOWLY.replace("gpus_per_rank: 1, zero", "gpus_per_rank: 0, zero")
    sweep = Sweep(tmp_path, [FAST, SLOW], without, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    wait_for(lambda: all(attempts.trains(s, 25) for s in (FAST, SLOW)), 180)
    dead, old = attempts.node(FAST, 0), attempts.ranks(SLOW)
    lost = {attempts.node(s, rank) for s in (FAST, SLOW) for rank in (0, 1)}
    assert len(lost) == 2  # the others are where both begin again
    for pid in [pid for name, pid in testbed.pids().items() if name in lost]:
        kill(pid, signal.SIGKILL)
    for pid in attempts.on_node(FAST, dead):
        kill(pid, signal.SIGKILL)
    # as it does itself after SlurmdTimeout
    testbed.run("scontrol", "update", f"nodename={','.join(lost)}", "state=down", "reason=lost")
    wait_for((sweep.specs()[SLOW] / "claims/000002").exists, 120)
    assert len(old) == 2 and all(map(is_alive, old))
    wait_for(lambda: not any(map(is_alive, old)), 30)
    testbed.control("up")
    wait_for(lambda: sweep.kinds(FAST)[1:] or attempts.trains(FAST, 25), 120)
    os.kill(testbed.pids()["slurmctld"], signal.SIGTERM)
    time.sleep(25)
    testbed.control("up")
    check_through(testbed, sweep, [FAST, SLOW], quiet)
    # The srun of SLOW's lost batch script lives on, too. SLURM 24.11 may let it cancel the new step, of the same id.
    cancelled = [kind for kind in sweep.kinds(SLOW) if kind != "killed"]
    assert sweep.kinds(FAST) == cancelled == ["node", "done"] and len(sweep.kinds(SLOW)) <= 3
    assert [sweep.ends(s)[0]["node"] for s in (FAST, SLOW)] == [dead, ""]


def test_launchers_are_killed_and_meet_and_nothing_is_lost_or_made_twice(testbed: Testbed, quiet: Sweep, tmp_path):
    sweep, chance = Sweep(tmp_path, [1], SLURM, testbed.env), random.Random(5)
    for _ in range(10):
        process = sweep.start()
        time.sleep(chance.uniform(0.2, 0.6))
        process.kill()
        process.communicate(timeout=60)
    both = [sweep.start(), sweep.start()]
    said = [p.communicate(timeout=200)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    check_through(testbed, sweep, [1], quiet)
