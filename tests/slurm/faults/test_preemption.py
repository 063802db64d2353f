"""Preemption and time limits on a real SLURM: what was asked to end saves, goes back into the queue by itself and ends
with the same bits.
"""

import contextlib
import signal
import time

import pytest

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.faults.study import FAST, SLOW, SLOWLY, SLURM, Attempts, Sweep, check_through, kill, preempt

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("is_real", [False, pytest.param(True, marks=pytest.mark.long)])
def test_preempted_and_cut_short_again_and_again(testbed: Testbed, quiet: Sweep, tmp_path, is_real):
    """Both cells are preempted in their first second, one again while it trains, and one while it saves; then time
    limits, two or more for the latter.

    SLURM's warning comes while a checkpoint is written; where it is not real, the first is sent as SLURM would send it,
    as the others always are.
    """
    sweep = Sweep(tmp_path, [FAST, SLOW], SLOWLY, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    wait_for(
        lambda: (
            testbed.run("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%j").count("finetune") == 2
            or is_done(sweep, FAST)
        ),
        120,
    )
    preempt(testbed)
    if caught(attempts, FAST):
        preempt(testbed)
        assert sweep.kinds(FAST)[-1:] == ["preempted"]
    if caught(attempts, SLOW):
        release(attempts, SLOW)
    if saves(sweep):
        preempt(testbed)
        assert sweep.kinds(SLOW)[-1:] in (["preempted"], ["done"])
    if is_real and caught(attempts, SLOW):
        testbed.run("scontrol", "update", f"jobid={attempts.task(SLOW)}", "TimeLimit=1")
        hold_back(attempts.ranks(SLOW), 35)  # SLURM counts in minutes, and on a fast machine it would be done before
        wait_for(lambda: limits(sweep) == 1, 60)
    while limits(sweep) < (4 if is_real else 2) and cut_short_in_a_save(attempts, sweep):
        pass
    check_through(testbed, sweep, [FAST, SLOW], quiet)
    first = {"preempted", "node", "lost"}  # by how far a process comes in its first second
    assert set(sweep.kinds(FAST)) <= first | {"done"} and set(sweep.kinds(SLOW)) <= first | {"time limit", "done"}
    reached = [e["progress"] for e in sweep.ends(SLOW) if e["kind"] == "time limit"]
    assert reached == sorted(reached) and reached


def caught(attempts: Attempts, seed: int) -> bool:
    """Stops the ranks of a cell once it trains, beyond what it had reached, until SLURM ends them or they are released;
    False if it was done before.
    """
    sweep = attempts.sweep
    reached = max((e["progress"] for e in sweep.ends(seed)), default=0)
    wait_for(lambda: attempts.trains(seed, reached) or is_done(sweep, seed), 300)
    ranks = [] if is_done(sweep, seed) else attempts.ranks(seed)
    for pid in ranks:
        kill(pid, signal.SIGSTOP)
    return bool(ranks)


def release(attempts: Attempts, seed: int) -> None:
    for pid in attempts.ranks(seed):
        kill(pid, signal.SIGCONT)


def is_done(sweep: Sweep, seed: int) -> bool:
    return sweep.kinds(seed)[-1:] == ["done"]


def hold_back(ranks: list[int], seconds: float) -> None:
    """Lets processes run for a tenth of the time."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        for signum, pause_s in ((signal.SIGSTOP, 0.9), (signal.SIGCONT, 0.1)):
            for pid in ranks:
                kill(pid, signum)
            time.sleep(pause_s)


def limits(sweep: Sweep) -> int:
    """Time limits that ended an attempt which had come further than those before it."""
    return len({e["progress"] for e in sweep.ends(SLOW) if e["kind"] == "time limit"})


def saves(sweep: Sweep) -> bool:
    """Returns while a checkpoint of the slow cell is being written; False if it is done."""
    work, limit = sweep.specs()[SLOW], time.monotonic() + 60
    while not is_done(sweep, SLOW):  # without a pause: it is there for some hundredths of a second
        assert time.monotonic() < limit, "nothing was saved"
        with contextlib.suppress(FileNotFoundError):  # a directory that an attempt has just taken over
            if list(work.glob("state-*/.unfinished-*")):
                return True
    return False


def cut_short_in_a_save(attempts: Attempts, sweep: Sweep) -> bool:
    """The warning arrives at both ranks while a checkpoint is written; the real one may be earlier. False if the cell
    is done.
    """
    before = len(sweep.kinds(SLOW))
    if not caught(attempts, SLOW):
        return False
    ranks = attempts.ranks(SLOW)
    release(attempts, SLOW)
    if saves(sweep):
        for pid in ranks:
            kill(pid, signal.SIGUSR2)
    wait_for(lambda: len(sweep.kinds(SLOW)) > before, 60)
    return True


def test_a_rank_that_a_script_has_started_hears_of_a_preemption_and_a_time_limit(testbed: Testbed, quiet, tmp_path):
    """bash stands between srun and the rank, and must not end by the signals that are the rank's."""
    cluster = SLURM.replace("all: {", "all: {setup: ['export SITE=x'], env: {A: b}, ")
    sweep = Sweep(tmp_path, [FAST], cluster, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    if caught(attempts, FAST):
        preempt(testbed)
        assert sweep.kinds(FAST)[-1:] == ["preempted"]
    if caught(attempts, FAST):
        testbed.run("scancel", "--signal=USR2", str(attempts.task(FAST)))
        release(attempts, FAST)
        wait_for(lambda: sweep.kinds(FAST)[-1:] != ["preempted"], 60)
    check_through(testbed, sweep, [FAST], quiet)
    assert sweep.kinds(FAST) == ["preempted", "time limit", "done"]
    assert list(sweep.store.glob(".work/arrays/*/task.sh")) and not list(sweep.store.glob(".work/arrays/*/failed/*"))
