"""Tasks that SLURM holds, at every stage: the study ends by itself with its whole table, and no finalizer joins
another.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.faults.study import LOCAL, SLURM, Attempts, Sweep, check_through, kill

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]
STAGES = ["prepare", "finetune+collect", "generate", "judge"]
LAUNCHED = ["pretrain", "prepare", "check", "finetune+collect", "generate", "judge", "finalizer"]
# with BatchStartTimeout=1, SLURM then misses a task that it launched
UNSEEN, UNSEEN_S = ("pretrain", "prepare", "finetune+collect"), 12.0
PROLOG = """\
#!/bin/bash
export SLURM_CONF={conf} PATH={path}
IFS='|' read -r name nodes first <<< "$(squeue -h -j "$SLURM_JOB_ID" -o '%j|%D|%B')"
stage=${{name#winsweep.}}
stage=${{stage%.*}}
rmdir "{flags}/$stage" 2>/dev/null && exit 1
{{ [ "$nodes" = 1 ] || [ "$SLURMD_NODENAME" != "$first" ]; }} && if rmdir "{flags}/$stage.kill" 2>/dev/null; then
    echo $PPID > "{flags}/$stage.new" && mv "{flags}/$stage.new" "{flags}/$stage.pid"
    for _ in $(seq 600); do kill -0 $PPID || break; sleep 0.1; done
fi
exit 0
"""


@pytest.fixture
def flags(testbed: Testbed, tmp_path) -> Iterator[Path]:
    """A folder; a folder in it that has a stage's name lets the next launch of a task of this stage fail, so that SLURM
    holds the task.

    With .kill behind the name it lets the launch last until its slurmd is killed, whose PID is in a file .pid from then
    on; of a task of several nodes the launch of its step on another node than the first.
    """
    (folder := tmp_path / "flags").mkdir()
    conf, prolog = testbed.folder / "slurm.conf", tmp_path / "prolog"
    prolog.write_text(PROLOG.format(conf=conf, flags=folder, path=testbed.env["PATH"]))
    prolog.chmod(0o755)
    before = conf.read_text()
    configure(testbed, f"{before}\nProlog={prolog}\nBatchStartTimeout=1\n", 1)
    yield folder
    configure(testbed, before, 10)


def configure(testbed: Testbed, text: str, start_timeout_s: int) -> None:
    """Gives SLURM another slurm.conf, by rename: 24.11 reads it after `scontrol reconfigure` has returned."""
    conf = testbed.folder / "slurm.conf"
    (fresh := conf.with_suffix(".new")).write_text(text)
    fresh.rename(conf)
    testbed.run("scontrol", "reconfigure")

    def is_read() -> bool:
        asked = ["scontrol", "show", "config"]
        done = subprocess.run(asked, env=testbed.env, capture_output=True, text=True, timeout=60)
        return re.search(rf"^BatchStartTimeout += {start_timeout_s} sec$", done.stdout, re.MULTILINE) is not None

    wait_for(is_read)


def queued(testbed: Testbed, stage: str, *words: str) -> list[str]:
    """Ids of the tasks of a stage in the queue."""
    lines = testbed.run("squeue", "-h", "-r", "-o", "%i|%j", *words).splitlines()
    return [line.partition("|")[0] for line in lines if f"|winsweep.{stage}." in line]


def held(testbed: Testbed) -> list[str]:
    return [
        line
        for line in testbed.run("squeue", "-h", "-r", "-o", "%i|%j|%r").splitlines()
        if re.search("held", line, re.IGNORECASE)
    ]


def resume(testbed: Testbed) -> None:
    """A node whose prolog failed is drained."""
    if drained := testbed.run("sinfo", "-h", "-N", "-t", "drain", "-o", "%N").split():
        testbed.run("scontrol", "update", f"nodename={','.join(sorted(set(drained)))}", "state=resume")


def stopped(attempts: Attempts, stage: str) -> str:
    """A running task of a stage, which goes no further from now on."""
    wait_for(lambda: attempts.at(stage), 300)
    ranks = attempts.at(stage)
    task = next(iter(ranks.values()))
    for pid in [pid for pid, of in ranks.items() if of == task]:
        kill(pid, signal.SIGSTOP)
    return task


def test_a_task_that_cannot_be_launched_at_each_stage_is_released(testbed: Testbed, quiet: Sweep, tmp_path, flags):
    """Nobody calls the launcher; the last held task is alone in the queue but for the finalizer behind it and the
    watchdog. That each stage's launch failed is seen by its flag: its task may be released between two looks.
    """
    for stage in STAGES:
        (flags / stage).mkdir()
    sweep = Sweep(tmp_path, [1, 2], SLURM.replace("nodes: 2, ", ""), testbed.env)
    sweep.run()
    seen = set()

    def over() -> bool:
        seen.update(line.split("|")[1].split(".")[1] for line in held(testbed))
        resume(testbed)
        assert len(queued(testbed, "finalizer")) <= 1 and len(queued(testbed, "watchdog", "-t", "PENDING")) <= 1
        return not testbed.run("squeue", "-h")

    wait_for(over, 600)
    assert seen and seen <= set(STAGES) and not list(flags.iterdir())
    check_through(testbed, sweep, [1, 2], quiet)


@pytest.mark.parametrize(
    "stages", [["finetune+collect", "generate", "finalizer"], pytest.param(LAUNCHED, marks=pytest.mark.long)], ids=len
)
def test_a_slurmd_is_killed_as_it_launches_a_task(testbed: Testbed, quiet: Sweep, tmp_path, flags, stages):
    """SLURM misses the task when the slurmd is back, or calls its node down; the finalizer's is killed, too, and nobody
    calls the launcher.
    """
    for stage in stages:
        (flags / f"{stage}.kill").mkdir()
    sweep = Sweep(tmp_path, [1], SLURM, testbed.env)
    sweep.run()
    killed = []

    def over() -> bool:
        for path in flags.glob("*.pid"):
            end_slurmd(testbed, int(path.read_text()), path.stem in UNSEEN)
            killed.append(path.stem)
            path.unlink()
        resume(testbed)
        assert (
            len(queued(testbed, "finalizer", "-t", "PENDING")) <= 1
            and len(queued(testbed, "watchdog", "-t", "PENDING")) <= 1
        )
        return not testbed.run("squeue", "-h")

    wait_for(over, 600)
    assert sorted(killed) == sorted(stages)
    check_through(testbed, sweep, [1], quiet)


def end_slurmd(testbed: Testbed, pid: int, is_unseen: bool) -> None:
    """Kill a slurmd and start it anew, after its node is down or (unseen) before; nothing where it is gone, as it
    launched two tasks at once.
    """
    nodes = {of: name for name, of in testbed.pids().items()}
    if pid not in nodes:
        return
    os.kill(pid, signal.SIGKILL)
    if is_unseen:
        time.sleep(UNSEEN_S)
    else:
        # as it does itself after SlurmdTimeout
        testbed.run("scontrol", "update", f"nodename={nodes[pid]}", "state=down", "reason=lost")
    testbed.control("up")


@pytest.mark.parametrize(
    "stages", [["finetune+collect", "judge"], pytest.param(STAGES, marks=pytest.mark.long)], ids=len
)
def test_a_running_task_that_is_made_held_is_released(testbed: Testbed, quiet: Sweep, tmp_path, stages):
    """And the launcher, called three times meanwhile, adds no finalizer; at the last stage nobody calls it."""
    sweep = Sweep(tmp_path, [1, 2], SLURM, testbed.env)
    attempts = Attempts(testbed, sweep)
    sweep.run()
    for stage in stages:
        task = stopped(attempts, stage)
        testbed.run("scontrol", "requeuehold", task)
        wait_for(lambda task=task: any(line.startswith(f"{task}|") for line in held(testbed)), 60)
        finalizer = queued(testbed, "finalizer")
        assert not any(sweep.run().count("finalizer") for _ in range(0 if stage == stages[-1] else 3))
        assert queued(testbed, "finalizer") == finalizer and len(finalizer) == 1
    check_through(testbed, sweep, [1, 2], quiet)


def test_a_held_task_whose_results_are_there_is_cancelled(testbed: Testbed, quiet: Sweep, tmp_path):
    """Its results were made on this machine meanwhile: nothing waits for it, and it needs no place."""
    sweep = Sweep(tmp_path, [1], SLURM, testbed.env)
    testbed.run("scontrol", "update", "partition=main", "state=down")
    try:
        sweep.run()
        tasks = [of[0] for stage in STAGES if (of := queued(testbed, stage))]
        assert len(tasks) == len(STAGES)
        testbed.run("scontrol", "uhold", *tasks[1:])  # also one that a person holds
        testbed.run("scontrol", "hold", tasks[0])
        Sweep(tmp_path, [1], LOCAL, testbed.env).run()
        (tmp_path / "cluster.yaml").write_text(SLURM)
        (sweep.store / "results/faults.csv").unlink()
    finally:
        testbed.run("scontrol", "update", "partition=main", "state=up")
    wait_for(lambda: not testbed.run("squeue", "-h"), 200)
    assert sweep.results().keys() == {n for n in quiet.results() if n.endswith(" 1") or ".s1-" in n}


def test_cells_are_judged_while_another_is_still_generated(testbed: Testbed, quiet: Sweep, tmp_path):
    """One generation is held by a person, who lets it go when everything else is judged; nobody else does."""
    sweep = Sweep(tmp_path, [1, 2, 3], SLURM.replace("nodes: 2, ", ""), testbed.env)
    sweep.run()
    wait_for(lambda: queued(testbed, "generate"), 60)
    job = queued(testbed, "generate")[0].partition("_")[0]
    testbed.run("scontrol", "uhold", f"{job}_1")
    wait_for(lambda: len(list(sweep.store.glob("judge/*"))) == 2, 400)
    assert [line.split("|")[0] for line in held(testbed)] == [f"{job}_1"] and len(
        list(sweep.store.glob("generate/*"))
    ) == 2
    finalizer = queued(testbed, "finalizer")
    sweep.run()
    assert queued(testbed, "finalizer") == finalizer and held(testbed)
    testbed.run("scontrol", "release", f"{job}_1")
    check_through(testbed, sweep, [1, 2, 3], quiet)


def test_a_call_that_submits_more_leaves_one_finalizer_that_waits_for_all_of_it(testbed: Testbed, tmp_path):
    testbed.run("scontrol", "update", "partition=main", "state=down")
    try:
        first = Sweep(tmp_path, [1, 2], SLURM, testbed.env)
        first.run()
        before = queued(testbed, "finalizer")
        more = Sweep(tmp_path, [1, 2, 3], SLURM, testbed.env)
        more.run("--only", "a.ins.s3")
        (after,) = queued(testbed, "finalizer")
        waits = testbed.run("squeue", "-h", "-j", after, "-o", "%E")
        jobs = {t.partition("_")[0] for stage in STAGES for t in queued(testbed, stage)}
        assert [after] != before and {w.partition(":")[2].partition("_")[0] for w in waits.split(",")} >= jobs
        assert [more.run(*words).count("finalizer") for words in ((), ("--only", "a.ins.s1"))] == [0, 0] and queued(
            testbed, "finalizer"
        ) == [after]
        assert len(queued(testbed, "watchdog")) == 1
        more.run("--cancel")
        wait_for(lambda: not testbed.run("squeue", "-h"), 30)
    finally:
        testbed.run("scontrol", "update", "partition=main", "state=up")
