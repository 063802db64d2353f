"""The testbed is a SLURM: nodes, GPUs, arrays, preemption, restarts, accounting; and it ends what is its own and
nothing else.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.conftest import NUM_PORTS, Testbed, first_port, running_testbed, wait_for

LOOPBACK, LISTENING = "0100007F", "0A"


def listening(first: int, last: int) -> dict[int, str]:
    """Address, in the kernel's hexadecimal, of every TCP port that is listened on."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    found = [w[1].split(":") for w in lines if w[3] == LISTENING]
    return {int(port, 16): host for host, port in found if first <= int(port, 16) <= last}


def nodes(testbed: Testbed) -> dict[str, str]:
    return dict(
        sorted(line.split() for line in testbed.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T").splitlines())
    )


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_step_runs_on_four_nodes(testbed):
    said = testbed.run("srun", "-N4", "--ntasks-per-node=1", "printenv", "SLURMD_NODENAME")
    assert sorted(said.split()) == ["n1", "n2", "n3", "n4"]


def test_gpus_are_numbered_and_counted(testbed):
    assert testbed.run("srun", "-N1", "--gpus-per-node=2", "printenv", "CUDA_VISIBLE_DEVICES") == "0,1"
    assert testbed.run("srun", "-N1", "printenv", "CUDA_VISIBLE_DEVICES", code=1).startswith("srun: error")
    holder = testbed.submit("sleep 60", "-w", "n1", "--gpus-per-node=1")
    wait_for(lambda: testbed.field(holder, "JobState") == "RUNNING")
    said = testbed.run("srun", "--immediate=2", "-w", "n1", "--gpus-per-node=2", "true", code=1)
    assert "Unable to allocate" in said
    testbed.run("scancel", holder)


def test_nothing_listens_beyond_loopback(testbed, accounting_testbed):
    port = first_port()
    found = listening(port, port + NUM_PORTS - 1)
    expected = {port, *range(port + 101, port + 105), port + 50, port + 51, port + 151, port + 152}
    assert set(found) >= expected and set(found.values()) == {LOOPBACK}


def test_an_array_goes_through_submitit(testbed, tmp_path, monkeypatch):
    import submitit

    for name in [n for n in os.environ if n.startswith("SLURM")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", testbed.env["SLURM_CONF"])
    executor = submitit.SlurmExecutor(folder=tmp_path / "%A", python=sys.executable)
    executor.update_parameters(time=5, array_parallelism=3, nodes=2, gpus_per_node=2, ntasks_per_node=1)
    jobs = executor.map_array(pow, [2, 3, 5, 7], [2, 2, 2, 2])
    pickles = [job.paths.folder / f"{job.job_id}_0_result.pkl" for job in jobs]
    wait_for(lambda: all(p.exists() for p in pickles), 60)
    assert [job.results() for job in jobs] == [[4, 4], [9, 9], [25, 25], [49, 49]] and len(
        {job.job_id.split("_")[0] for job in jobs}
    ) == 1


def test_a_job_of_the_higher_partition_requeues_one_of_the_lower(testbed):
    testbed.run("scontrol", "update", "PartitionName=main", "GraceTime=0")
    try:
        script = 'echo run ${SLURM_RESTART_COUNT:-0}; [ -n "$SLURM_RESTART_COUNT" ] || sleep 60'
        low = testbed.submit(script, "-N4", "--exclusive", "--requeue")
        out = testbed.folder / f"{low}-4294967294.out"
        wait_for(lambda: out.exists() and out.read_text())
        testbed.run("srun", "-p", "hi", "-N4", "--exclusive", "true", timeout_s=40)
        assert testbed.field(low, "Restarts") == "1" and testbed.field(low, "JobState") == "PENDING"
        wait_for(lambda: testbed.field(low, "JobState") == "COMPLETED", 40)
        assert (
            re.findall(r"^run \d", out.read_text(), re.MULTILINE) == ["run 0", "run 1"]
            and "PREEMPTION" in out.read_text()
        )
    finally:
        testbed.run("scontrol", "update", "PartitionName=main", "GraceTime=8")


def test_whether_a_step_that_leaves_when_it_is_warned_is_requeued_is_not_known(testbed):
    """SLURM 24.11 requeues it and 22.05 does not. So whoever leaves within the grace time has to ask for its requeue
    itself, and may ask too often.
    """
    script = "srun sh -c 'trap \"echo warned; exit 0\" TERM; echo ready; while :; do sleep 0.1; done'"
    low = testbed.submit(script, "-N4", "--ntasks-per-node=1", "--exclusive", "--requeue")
    out = testbed.folder / f"{low}-4294967294.out"
    wait_for(lambda: out.exists() and out.read_text().count("ready") == 4)
    testbed.run("srun", "-p", "hi", "-N4", "--exclusive", "true", timeout_s=60)
    assert out.read_text().count("warned") == 4
    again, state = testbed.field(low, "Restarts"), testbed.field(low, "JobState")
    testbed.run("scancel", low)
    assert (again, state) in (("0", "COMPLETED"), ("1", "PENDING"), ("1", "RUNNING"))


def test_a_controller_that_was_stopped_still_knows_its_queue(testbed):
    job = testbed.submit("true", "--hold")
    before = testbed.pids()
    os.kill(before["slurmctld"], signal.SIGTERM)
    wait_for(lambda: not alive(before["slurmctld"]))
    assert "slurmctld is not running" in testbed.control("status", code=1)
    testbed.control("up")
    after = testbed.pids()
    assert (
        after.pop("slurmctld") != before.pop("slurmctld")
        and after == before
        and testbed.field(job, "JobState") == "PENDING"
    )
    testbed.run("scontrol", "release", job)
    wait_for(lambda: testbed.field(job, "JobState") == "COMPLETED")


def test_a_node_whose_daemon_was_killed_comes_back(testbed):
    before = testbed.pids()
    os.kill(before["n2"], signal.SIGKILL)
    wait_for(lambda: not alive(before["n2"]))
    testbed.control("up")
    after = testbed.pids()
    assert after.pop("n2") != before.pop("n2") and after == before
    wait_for(lambda: set(nodes(testbed).values()) == {"idle"}, 40)
    assert testbed.run("srun", "-w", "n2", "printenv", "SLURMD_NODENAME") == "n2"


def test_sacct_answers_with_accounting_and_refuses_without(small, accounting_testbed):
    job = accounting_testbed.submit("exit 3")
    wait_for(
        lambda: accounting_testbed.run("sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode") == "FAILED|3:0", 30
    )
    assert "disabled" in small.run("sacct", code=1)


@pytest.fixture
def small(testbed, tmp_path):
    """One node, on its own ports, beside the other testbed."""
    yield from running_testbed(
        tmp_path / "testbed", ("slurmctld",), "--port", str(first_port() + 20), "--nodes", "1", "--max-array-size", "11"
    )


def test_up_keeps_what_runs_and_refuses_to_change_it(small):
    before = small.pids()
    assert small.control("up") == f"export SLURM_CONF={small.folder}/slurm.conf" and small.pids() == before
    assert "--fresh" in small.control("up", "--max-array-size", "12", code=1) and small.pids() == before
    assert "nodes:      n1 idle" in small.control("status")
    small.submit("true", "--array=10")
    assert "Invalid job array" in small.run("sbatch", "--array=11", "--wrap", "true", code=1)


def saved_since(testbed: Testbed, job: str, when: float) -> bool:
    """Whether the controller wrote its jobs down after `when`; it does so within 5 s of a change, and this is one."""
    testbed.run("scontrol", "update", f"JobId={job}", "Comment=x")
    state = testbed.folder / "state/job_state"  # written by rename: for a moment there may be none
    return state.exists() and state.stat().st_mtime > when


def test_a_crashed_testbed_comes_up_again_with_its_queue_or_fresh(small):
    job = small.submit("true", "--hold")
    submitted = time.time()
    wait_for(lambda: saved_since(small, job, submitted), 20)
    for pid in small.pids().values():
        os.kill(pid, signal.SIGKILL)
    small.control("up")
    assert small.field(job, "JobState") == "PENDING"
    for pid in small.pids().values():
        os.kill(pid, signal.SIGKILL)
    small.control("up", "--fresh", "--port", str(first_port() + 20), "--nodes", "1")
    assert small.run("squeue", "-h") == ""


def test_up_and_down_leave_a_folder_alone_that_is_not_a_testbeds(small, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "options.json").write_text("{}")
    testbed = Testbed(other)
    assert "not a testbed's" in testbed.control("up", "--port", str(first_port() + 30), "--fresh", code=1)
    testbed.control("down")
    assert [p.name for p in other.iterdir()] == ["options.json"]


def test_down_ends_its_own_processes_and_nobody_elses(testbed, small):
    bystander = subprocess.Popen(["sleep", "300"], env=small.env)
    try:
        small.submit(
            "setsid sleep 301 & echo $! > pids; sleep 302 & echo $! >> pids; wait", "--chdir", str(small.folder)
        )
        listed = small.folder / "pids"
        wait_for(lambda: listed.exists() and listed.read_text().count("\n") == 2)
        own = [*map(int, listed.read_text().split()), *small.pids().values()]
        assert all(map(alive, own))
        small.control("down")
        assert not any(map(alive, own)) and not small.folder.exists() and bystander.poll() is None
        assert set(nodes(testbed)) == {"n1", "n2", "n3", "n4"} and "n1" in Path("/etc/hosts").read_text()
    finally:
        bystander.kill()
        bystander.wait()
