"""Tasks that SLURM holds, at every stage: the study ends by itself with its whole table, and no finalizer joins
another.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.faults.study import LOCAL, SLURM, Sweep, check_through

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]
STAGES = ["prepare", "finetune+collect", "generate", "judge"]
PROLOG = """\
#!/bin/bash
export SLURM_CONF={conf} PATH={path}
name=$(squeue -h -j "$SLURM_JOB_ID" -o %j)
stage=${{name#winsweep.}}
rmdir "{flags}/${{stage%.*}}" 2>/dev/null && exit 1
exit 0
"""


@pytest.fixture
def flags(testbed: Testbed, tmp_path) -> Iterator[Path]:
    """A folder; a folder in it that has a stage's name lets the next launch of a task of this stage fail, so that SLURM
    holds the task.
    """
    (folder := tmp_path / "flags").mkdir()
    conf, prolog = testbed.folder / "slurm.conf", tmp_path / "prolog"
    prolog.write_text(PROLOG.format(conf=conf, flags=folder, path=testbed.env["PATH"]))
    prolog.chmod(0o755)
    before = conf.read_text()
    conf.write_text(f"{before}\nProlog={prolog}\n")
    testbed.run("scontrol", "reconfigure")
    yield folder
    conf.write_text(before)
    testbed.run("scontrol", "reconfigure")


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


def test_a_task_that_cannot_be_launched_at_each_stage_is_released(testbed: Testbed, quiet: Sweep, tmp_path, flags):
    """Nobody calls the launcher; the last held task is alone in the queue but for the finalizer behind it and the
    watchdog.
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
    assert seen == set(STAGES) and not list(flags.iterdir())
    check_through(testbed, sweep, [1, 2], quiet)


def test_a_running_task_that_is_made_held_at_each_stage_is_released(testbed: Testbed, quiet: Sweep, tmp_path):
    """And the launcher, called three times meanwhile, adds no finalizer."""
    sweep = Sweep(tmp_path, [1, 2], SLURM, testbed.env)
    sweep.run()
    for stage in ("finetune+collect", "generate"):
        wait_for(lambda stage=stage: queued(testbed, stage, "-t", "RUNNING"), 300)
        testbed.run("scontrol", "requeuehold", queued(testbed, stage, "-t", "RUNNING")[0])
        finalizer = queued(testbed, "finalizer")
        assert [sweep.run().count("finalizer") for _ in range(3)] == [0, 0, 0]
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


def test_a_call_that_submits_more_leaves_one_closing_job_that_waits_for_all_of_it(testbed: Testbed, tmp_path):
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
