"""A user of a real SLURM whose QOS admits four submitted jobs: a study of forty tasks ends by itself."""

import json
import shutil
import threading
import time
from collections.abc import Iterator

import pytest

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.test_study import Study
from winsweep.artifact import Artifact
from winsweep.placement import Placement
from winsweep.slurm import inventory, limits, sbatch
from winsweep.slurm.chain import Array
from winsweep.tasks import toy

NUM = 38
ARMS = "".join(f"  a{n}: {{rules: [], decoding: {{max_new_tokens: {n + 1}}}}}\n" for n in range(NUM))
STUDY = f"""\
name: grid
models: {{m: {{pretrain: {{num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}}}}
adapters:
{ARMS}
tasks: {{}}
seeds: [1]
instructions: {{from: toy, part: dev}}
decoding: {{batch: 20, precision: fp32}}
compare: {{judge: reference_overlap, reference: {{outputs: ../reference.json}}}}
"""
ON_NODES = "kind: slurm\nall: {partition: main, time_min: 10, signal_s: 30}\n"


@pytest.fixture
def limited(accounting_testbed) -> Iterator[Testbed]:
    """The testbed with a QOS that takes four jobs of each user, and no other for root."""
    testbed = accounting_testbed
    testbed.run("sacctmgr", "-i", "add", "qos", "small", "MaxSubmitJobsPerUser=4")
    testbed.run("sacctmgr", "-i", "modify", "user", "root", "set", "qos=small", "defaultqos=small")
    try:
        yield testbed
    finally:
        testbed.run("scancel", "--me")
        wait_for(lambda: not testbed.run("squeue", "-h"), 60)
        testbed.run("sacctmgr", "-i", "modify", "user", "root", "set", "qos=normal", "defaultqos=normal")
        testbed.run("sacctmgr", "-i", "delete", "qos", "small")


def watch(testbed: Testbed, over: threading.Event, seen: list[list[str]]) -> None:
    while not over.wait(0.5):
        seen.append(testbed.run("squeue", "-h", "-r", "-o", "%i|%j|%E").splitlines())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_of_forty_tasks_ends_by_itself_where_four_may_be_submitted(limited, tmp_path):
    """All is made here at first; then all judgements and two of the outputs that they need are taken away."""
    rows = [row | {"output": "a word"} for row in toy.instructions(None, toy.Options(part="dev"))]
    (tmp_path / "reference.json").write_text(json.dumps(rows))
    study = Study(tmp_path / "st %j re", limited.env, STUDY)  # what SLURM's patterns would make another path of
    study.sweep("kind: local\n")
    table = study.csv()
    for path in [
        *study.store.glob("judge/*"),
        *study.store.glob("aggregate/*"),
        *study.store.glob("generate/m.a[35]-*"),
    ]:
        shutil.rmtree(path)
    (study.store / "results/grid.csv").unlink()
    shutil.rmtree(study.store / ".work")
    over, seen = threading.Event(), []
    threading.Thread(target=watch, args=(limited, over, seen), daemon=True).start()
    began = time.monotonic()
    said = study.sweep(ON_NODES)
    assert "SLURM takes no more jobs now (QOSMaxSubmitJobPerUserLimit" in said and "finalizer, 1 task after" in said
    wait_for(lambda: not limited.run("squeue", "-h"), 400)
    over.set()
    print(
        f"{time.monotonic() - began:.0f} s; {len(list(study.store.glob('.work/arrays/*/finalizer.json')))} finalizers"
    )
    assert study.csv() == table and "0 arrays submitted" in study.sweep(ON_NODES)
    assert list(study.store.glob(".work/arrays/*/*_0_0_log.out"))
    assert max(map(len, seen)) == 4 and all(any(".finalizer." in line for line in lines) for lines in seen if lines)
    ends = [
        json.loads(p.read_bytes())["kind"]
        for p in study.store.glob(".work/*/*/ends/*.json")
        if p.parents[2].name != "submit"
    ]
    assert ends.count("done") >= 40 and set(ends) == {"done"}


def test_the_doctor_reads_the_limit_and_says_what_it_means(limited, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", limited.env["SLURM_CONF"])
    config = inventory.settings()
    assert [(x.num, x.of) for x in limits.submit_limits([Placement()], config)] == [
        (4, "QOS small"),
        (50000, "MaxJobCount"),
    ]
    found = limits.check_limits([Placement()], config)
    assert (
        found.verdict == "ok"
        and "at most 4 jobs of each user (QOS small); 50000 jobs of all users (MaxJobCount); each task" in str(found)
    )
    limited.run("sacctmgr", "-i", "modify", "user", "root", "where", "account=testbed", "set", "MaxSubmitJobs=1")
    try:
        found = limits.check_limits([Placement(account="testbed")], config)
        assert (
            found.verdict == "problem"
            and "at most 1 jobs of each user (account testbed)" in str(found)
            and "a study needs two" in found.do
        )
    finally:
        limited.run("sacctmgr", "-i", "modify", "user", "root", "where", "account=testbed", "set", "MaxSubmitJobs=-1")


@pytest.mark.parametrize("name", ["st %j re", 'q\'uo "te" %A $x', "b\\sl %j", "a;b #c"])
def test_logs_lie_in_a_folder_of_any_name_and_a_step_has_its_threads(accounting_testbed, tmp_path, monkeypatch, name):
    monkeypatch.setenv("SLURM_CONF", accounting_testbed.env["SLURM_CONF"])
    array = Array(Placement(threads=2), tuple((Artifact("probe", 1, f"p{n}", {"n": n}, {}),) for n in range(2)), ())
    job = sbatch.submit(
        array,
        tmp_path / name,
        "bash -c 'echo of $SLURM_ARRAY_TASK_ID: $SLURM_CPUS_PER_TASK'",
        "winsweep.probe.x",
        "",
        [],
    )
    wait_for(lambda: not accounting_testbed.run("squeue", "-h"), 60)
    for n in range(2):
        assert f"of {n}: 2" in (tmp_path / name / f"{job}_{n}_0_log.out").read_text()
    assert {p.name for p in tmp_path.iterdir()} == {name}
