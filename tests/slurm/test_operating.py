"""Operating a study on real daemons: what is told before, while and after it runs, scripts for those who submit by
hand, the doctor.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import wait_for
from tests.slurm.desk import CLUSTER, ROOT, STUDY, Desk, submit, when


@pytest.fixture(scope="module")
def told(testbed, tmp_path_factory) -> dict:
    """The study submitted by submit.sh, with what the commands said before, in the middle, and at the end."""
    desk, said = Desk(tmp_path_factory.mktemp("desk"), testbed), {}
    said["desk"] = desk
    said["forecast"] = desk.sweep("--dry-run")
    said["emit"] = desk.sweep("--emit", desk.folder / "scripts")
    said["still"] = testbed.run("squeue", "-h")
    said["before"] = desk.on("status")
    said["submit"] = submit(desk)
    follower = subprocess.Popen(
        desk.command("logs", desk.folder / "study.yaml", "a.ins.s1", "--follow"),
        env=testbed.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    said["swept"] = desk.sweep("--dry-run")
    said["during"] = when(r"^queued .*is made from", lambda: desk.on("status", "--cells"))
    said["middle"] = when(r"^running +finetune", lambda: desk.on("status"))
    said["followed"], _ = follower.communicate(timeout=200)
    said["code"] = follower.returncode
    wait_for((desk.store / "results/small.csv").exists, 60)
    wait_for(lambda: not testbed.run("squeue", "-h"), 60)
    return said


def test_a_dry_run_says_what_would_be_submitted_and_that_slurm_would_take_it(told):
    lines = told["forecast"].splitlines()
    finetune, generate = (
        [x for x in lines if x.startswith("#") and stage in x][-1] for stage in ("finetune", "generate")
    )
    assert re.match(
        r"#\d +finetune\+collect +1 task +× 2 nodes × 2 ranks, 2 GPUs, 10 min; at most 0\.3 GPU-hours; after ", finetune
    )
    assert sorted(re.search(r"; after all of ([#\d, ]+)$", finetune)[1].split(", ")) == ["#0", "#1", "#2"]
    assert re.search(r"#\d +generate .* each its own of #\d", generate)
    assert "9 tasks in 8 arrays, then the table; at most 0.7 GPU-hours; 0 results reused" in told["forecast"]
    assert {x for x in lines if x.startswith("SLURM")} == {
        "SLURM takes finetune+collect",
        "SLURM takes generate",
        "SLURM takes pretrain, prepare, check, judge",
    }


def test_a_dry_run_says_what_slurm_refuses_in_its_words(told, tmp_path, testbed):
    desk = Desk(tmp_path, testbed)
    (desk.folder / "c.yaml").write_text(CLUSTER.replace("ranks: 2, gpus_per_rank: 1", "ranks: 2, gpus_per_rank: 3"))
    assert "SLURM refuses finetune+collect: Requested node configuration is not available" in desk.sweep(
        "--dry-run", code=1
    )
    desk.store = told["desk"].store  # where a finetune and a generate are finished already
    assert "0 tasks in 0 arrays" in desk.sweep("--dry-run")
    (desk.folder / "study.yaml").write_text(STUDY.replace("seeds: [1]", "seeds: [1, 2]"))
    assert re.search(r"finetune\+collect .* about 0\.\d+ by 1 finished", desk.sweep("--dry-run", code=1))


def test_nothing_is_submitted_or_believed_to_be_before_submit_sh_is_run(told):
    assert told["still"] == "" and "queued" not in told["before"] and "running" not in told["before"]
    assert sorted(p.name for p in (told["desk"].folder / "scripts").iterdir())[:2] == [
        "00-pretrain.sh",
        "01-prepare.sh",
    ]
    assert "found something there" in told["desk"].sweep("--emit", told["desk"].folder / "scripts", code=2)


def test_what_submit_sh_submits_makes_the_table_that_a_local_run_makes(told, tmp_path, testbed):
    local = Desk(tmp_path, testbed)
    local.on("sweep", "--cluster", "local")
    assert told["desk"].rows() == local.rows() and len(local.rows()) == 2


def test_what_submit_sh_submitted_is_known_to_the_launcher_and_not_submitted_twice(told):
    assert "0 tasks in 0 arrays" in told["swept"]
    assert len(re.findall(r"^job \d+: ", told["submit"], re.MULTILINE)) == 10
    again = submit(told["desk"], code=1)  # nothing is left to do for it
    assert (
        "(submitted before)" in again
        and "has begun, which submits what is missing" in again
        and told["desk"].testbed.run("squeue", "-h") == ""
    )
    assert (
        "nothing is missing" in told["desk"].sweep("--emit", told["desk"].folder / "more")
        and not (told["desk"].folder / "more").exists()
    )


def test_status_says_what_waits_for_what_and_how_long(told):
    assert re.search(r"^queued +\d+ × waits for what it is made from \(jobs \d+, ", told["during"], re.MULTILINE)
    assert "until when is not known" in told["during"] and re.search(r"a\.ins\.s1 .*queued", told["during"])
    assert re.search(r"^running +\S+: \d+%, job \d+_\d: runs on n\S+ since", told["middle"], re.MULTILINE)
    assert "2 of 2 cells done" in told["desk"].on("status")


def test_following_a_cell_shows_its_stages_and_ends_when_it_is_done(told):
    shown = [
        line.split("/.work/")[1].split("/")[0] for line in told["followed"].splitlines() if line.startswith("==> ")
    ]
    own = [s for s in shown if s in ("finetune", "collect", "generate", "judge")]
    assert (
        told["code"] == 0
        and "finetune" in own
        and own == sorted(own, key=["finetune", "collect", "generate", "judge"].index)
    )
    # followed, a log is named when it is there, and rank 1's may be there a moment later
    assert "(other ranks: slurm-" in told["desk"].on("logs", "a.ins.s1", "--stage", "finetune").splitlines()[0]


def test_a_hostile_log_is_shown_as_text(told):
    path = Path(
        told["desk"]
        .on("logs", "a.ins.s1", "--stage", "finetune")
        .splitlines()[0]
        .removeprefix("==> ")
        .split(" (other")[0]
    )
    with open(path, "ab") as f:
        f.write(b"\x1b]0;owned\x07\x1b[2Jfine\r\n\xff")
    assert told["desk"].on("logs", "a.ins.s1", "--stage", "finetune").endswith("fine\n\ufffd")


def test_the_doctor_finds_the_testbed_well(told, testbed):
    before = set((told["desk"].store / ".work").iterdir())
    said = told["desk"].run("doctor", told["desk"].folder / "c.yaml")
    assert (
        "0 problem, 1 unknown" in said
        and re.search(r"^ok +a job in main: ran on n\d$", said, re.MULTILINE)
        and "winsweep and" in said
    )
    assert set((told["desk"].store / ".work").iterdir()) == before
    wait_for(lambda: not testbed.run("squeue", "-h"))


def test_the_doctor_says_what_is_wrong(told, tmp_path):
    stages = "{finetune: {ranks: 4, gpus_per_rank: 1}, judge: {partition: nix}, collect: {time_min: 2000}}"
    (tmp_path / "bad.yaml").write_text(f"kind: slurm\nall: {{partition: main, account: lab}}\nstages: {stages}\n")
    said = told["desk"].run("doctor", tmp_path / "bad.yaml", code=1)
    for line in (
        r"problem +nodes of finetune: .* the most on one node is GPUs: 2",
        r"problem +partition of check_judge, judge: 'nix' does not exist; .* main, hi",
        r"problem +time of collect: 2000 min; main allows 1440",
        r"unknown +account lab: cannot be checked without accounting",
        r"problem +sbatch --test-only of finetune: Requested node configuration",
    ):
        assert re.search(line, said), said


def test_the_doctor_does_not_wait_for_ever(told, testbed):
    hog = testbed.submit("sleep 100", "--nodes=4", "--exclusive")
    wait_for(lambda: testbed.field(hog, "JobState") == "RUNNING")
    said = told["desk"].run("doctor", told["desk"].folder / "c.yaml", "--wait", "3")
    assert re.search(r"unknown +a job in main: it waits.*, and the time to wait is over", said), said
    testbed.run("scancel", hog)
    wait_for(lambda: not testbed.run("squeue", "-h"))


def test_nodes_that_are_down_are_no_fault_of_the_file(told, testbed):
    testbed.run("scontrol", "update", "nodename=n[1-3]", "state=drain", "reason=test")
    try:
        said = told["desk"].run("doctor", told["desk"].folder / "c.yaml")
    finally:
        testbed.run("scontrol", "update", "nodename=n[1-3]", "state=resume")
    assert (
        re.search(r"unknown +nodes of finetune: .* 4 of main fit, but only 1 are up", said)
        and "a job in main: ran on n4" in said
    ), said
    wait_for(lambda: not testbed.run("squeue", "-h"))


def test_the_controller_is_a_job_that_ends_with_the_study_and_asks_for_another_turn_before_its_limit(
    told, tmp_path, testbed, monkeypatch
):
    desk = Desk(tmp_path, testbed)
    shutil.copytree(told["desk"].store, desk.store)
    shutil.rmtree(desk.store / "results")
    monkeypatch.setattr(testbed, "env", testbed.env | {"PATH": f"{Path(sys.executable).parent}:{testbed.env['PATH']}"})

    def start() -> str:
        return testbed.run(
            "sbatch",
            "--parsable",
            f"--chdir={ROOT}",
            f"--output={tmp_path}/%j.log",
            "--mem=100",
            str(ROOT / "slurm/controller.sbatch"),
            str(desk.folder / "study.yaml"),
            str(desk.store),
            str(desk.folder / "c.yaml"),
        )

    first = start()
    wait_for(lambda: not testbed.run("squeue", "-h", "-j", first, "-t", "pending,running,completing"), 60)
    assert (desk.store / "results/small.csv").exists(), (tmp_path / f"{first}.log").read_text()
    (desk.folder / "study.yaml").write_text(STUDY.replace("seeds: [1]", "seeds: [7]"))
    (desk.folder / "c.yaml").write_text(CLUSTER.replace("partition: main", "partition: hi"))
    testbed.run("scontrol", "update", "partition=hi", "state=down")
    try:
        again = start()
        wait_for(lambda: testbed.run("squeue", "-h", "-p", "hi"))
        testbed.run("scancel", "--batch", "--signal=USR1", again)
        wait_for(lambda: testbed.field(again, "Restarts") == "1")
    finally:
        testbed.run("scancel", "--me")
        testbed.run("scontrol", "update", "partition=hi", "state=up")
    wait_for(lambda: not testbed.run("squeue", "-h"), 60)
