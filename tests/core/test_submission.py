"""What is submitted where SLURM takes few jobs, and what of sbatch's answers is believed: its commands are scripts that
answer as such a cluster's do.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
name: few
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {ins: {from: toy, num_examples: 24}, sum: {from: toy, kinds: [sum], num_examples: 24}}
seeds: [1, 2, 3]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
PRETENDED = r'''#!/usr/bin/env python3
"""The queue is $HERE/queue.json: what was accepted. A file $HERE/limit says how many tasks it takes, $HERE/refuse what sbatch says to all else."""
import json, os, pathlib, re, sys
here = pathlib.Path(os.environ["HERE"])
name, words, path = pathlib.Path(sys.argv[0]).name, sys.argv[1:], here / "queue.json"
queue = json.loads(path.read_text()) if path.exists() else {}


def keep(queue):  # whole or not at all, also where the launcher is killed
    (here / "queue.new").write_text(json.dumps(queue))
    (here / "queue.new").replace(path)


with open(here / "calls", "a") as calls:
    print(name, *words, file=calls)
if name == "sbatch" and "--test-only" not in words:
    text = pathlib.Path(words[-1]).read_text()
    said = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", text, re.MULTILINE))
    tasks = [n for part in said["array"].partition("%")[0].split(",") for a, _, b in [part.partition("-")] for n in range(int(a), int(b or a) + 1)]
    refused = (here / "refuse").read_text() if (here / "refuse").exists() and len(queue) else ""
    if not refused and sum(len(j["tasks"]) for j in queue.values()) + len(tasks) > int((here / "limit").read_text()):
        refused = os.environ.get("WORDS", "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)")
    if refused:
        sys.exit(refused)
    job = str(100 + len(queue))
    queue[job] = {"tasks": tasks, "name": said["job-name"], "after": said.get("dependency", ""), "begin": said.get("begin", "")}
    if os.environ.get("KILL") == str(len(queue)):
        keep(queue)
        os.kill(os.getppid(), 9)
    print(os.environ.get("BANNER", "") + job + os.environ.get("SUFFIX", ""))
elif name == "squeue":
    for job, j in queue.items():
        for n in j["tasks"]:
            print(f"{job}_{n}" if "%i" == words[-1] else f"{job}_{n}|{j['name']}|PENDING|Priority||0:00|1:00:00")
elif name == "scontrol" and words[0] == "update":
    said = dict(w.partition("=")[::2] for w in words[1:])
    queue[said["JobId"]] |= {"after": said.get("Dependency", ""), "begin": said["StartTime"]}
elif name == "scontrol":
    print("MaxArraySize = 1001")
elif name == "scancel":
    for word in words:
        queue.pop(word.partition("_")[0], None)
elif name == "sinfo":
    print("n1")
keep(queue)
'''


class Pretended:
    """A cluster whose queue only fills; `limit` is how many tasks it takes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        for name in ("sbatch", "squeue", "scontrol", "scancel", "sinfo"):
            (folder / name).write_text(PRETENDED)
            (folder / name).chmod(0o755)
        self.takes(limit)
        (folder / "study.yaml").write_text(STUDY)
        (folder / "c.yaml").write_text("kind: slurm\n")

    def takes(self, limit: int) -> None:
        (self.folder / "limit").write_text(str(limit))

    def sweep(self, code: int = 0, **env: str) -> str:
        command = [
            sys.executable,
            str(ROOT / "launch/sweep.py"),
            str(self.folder / "study.yaml"),
            "--store",
            str(self.folder / "runs"),
            "--cluster",
            str(self.folder / "c.yaml"),
        ]
        env = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}", "HERE": str(self.folder)} | env
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def queue(self) -> dict[str, dict]:
        return json.loads((self.folder / "queue.json").read_text())

    @property
    def work(self) -> dict[str, dict]:
        """The queue without the watchdog."""
        return {job: j for job, j in self.queue.items() if ".watchdog." not in j["name"]}

    def jobs(self) -> list[tuple[str, int]]:
        """How many tasks of each stage, whatever arrays they are in."""
        num: dict[str, int] = {}
        for j in self.work.values():
            num[j["name"].split(".")[1]] = num.get(j["name"].split(".")[1], 0) + len(j["tasks"])
        return list(num.items())

    def open_folders(self) -> set[str]:
        return {
            p.parent.name
            for p in (self.folder / "runs/.work/arrays").glob("*/map.json")
            if not (p.parent / "over").exists()
        }


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("srun") is None, reason="submitit wants srun on the PATH to write a script"),
]


@pytest.mark.parametrize(
    ("limit", "jobs"),
    [
        (2, [("finalizer", 1), ("pretrain", 1)]),
        (4, [("finalizer", 1), ("pretrain", 1), ("prepare", 2)]),
        (8, [("finalizer", 1), ("pretrain", 1), ("prepare", 3), ("check", 1), ("finetune+collect", 2)]),
        (
            99,
            [
                ("finalizer", 1),
                ("pretrain", 1),
                ("prepare", 3),
                ("check", 1),
                ("finetune+collect", 6),
                ("generate", 6),
                ("judge", 6),
            ],
        ),
    ],
)
def test_as_much_as_fits_is_submitted_behind_a_finalizer(tmp_path, limit, jobs):
    cluster = Pretended(tmp_path, limit)
    said = cluster.sweep()
    assert cluster.jobs() == jobs and ("SLURM takes no more jobs now (QOSMaxSubmitJobPerUserLimit; " in said) == (
        limit < 99
    )
    of = {j["name"].split(".")[1]: (job, j["after"]) for job, j in cluster.queue.items()}
    assert "101" in of["finetune+collect"][1] and "102" in of["finetune+collect"][1] if limit >= 8 else True
    sign = "," if limit == 99 else "?"
    assert cluster.queue["100"]["after"] == sign.join(f"afterany:{job}" for job in cluster.work if job != "100")
    assert cluster.queue["100"]["begin"] == "now" and len(cluster.open_folders()) == len(cluster.queue)
    before = cluster.queue
    assert "0 arrays submitted" in cluster.sweep() and cluster.queue == before  # and a second call repeats nothing
    cluster.takes(99)
    cluster.sweep()
    assert (
        sum(len(j["tasks"]) for j in cluster.work.values()) == 1 + 1 + 3 + 1 + 6 + 6 + 6
        and ("finalizer", 1) in cluster.jobs()
    )
    assert all(
        j["after"]
        for j in cluster.queue.values()
        if j["name"].split(".")[1] in ("finetune+collect", "generate", "judge")
    )


def test_a_limit_of_one_and_a_full_queue_are_told(tmp_path):
    cluster = Pretended(tmp_path, 1)
    assert "found a limit of 1 submitted job: QOSMaxSubmitJobPerUserLimit; " in cluster.sweep(2)
    assert cluster.queue == {} and cluster.open_folders() == set()
    cluster.takes(0)
    assert "found no room for a job: AssocGrpSubmitJobsLimit; " in cluster.sweep(
        2, WORDS="sbatch: error: AssocGrpSubmitJobsLimit"
    )
    assert cluster.open_folders() == set()


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: AssocMaxSubmitJobLimit",
        "sbatch: error: AssocGrpSubmitJobsLimit",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, …)",
    ],
)
def test_every_limit_on_submitted_jobs_is_known(tmp_path, words):
    cluster = Pretended(tmp_path, 3)
    assert "SLURM takes no more jobs now" in cluster.sweep(WORDS=words) and cluster.jobs() == [
        ("finalizer", 1),
        ("pretrain", 1),
        ("prepare", 1),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: invalid partition specified: cpu",
        "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Job violates accounting/QOS policy (…)",
    ],
)
def test_what_is_refused_for_good_leaves_nothing(tmp_path, words):
    """The finalizer alone is accepted: it is taken back, and no array is believed to be in the queue."""
    cluster = Pretended(tmp_path, 99)
    (tmp_path / "refuse").write_text(words)
    assert (
        "sbatch refused the pretrain array: " in cluster.sweep(2)
        and cluster.queue == {}
        and cluster.open_folders() == set()
    )


def test_the_job_id_is_read_from_no_prose(tmp_path):
    cluster = Pretended(tmp_path, 99)
    cluster.sweep(BANNER="Checking job 5 of your quota\n17 tickets left\n", SUFFIX=";cluster2")
    known = {json.loads(p.read_bytes())["job"] for p in (tmp_path / "runs/.work/arrays").glob("*/job.json")}
    assert known == set(cluster.queue) >= {"100", "101", "102", "103", "104", "105"}


def test_a_job_whose_id_is_not_said_is_found_by_its_name(tmp_path):
    cluster = Pretended(tmp_path, 99)
    cluster.sweep(BANNER="Stapelauftrag ", SUFFIX=" eingereicht")
    assert {json.loads(p.read_bytes())["job"] for p in (tmp_path / "runs/.work/arrays").glob("*/job.json")} == set(
        cluster.queue
    )


def test_a_launcher_that_is_killed_between_leaves_a_closing_job_that_begins_by_itself(tmp_path):
    cluster = Pretended(tmp_path, 99)
    cluster.sweep(-9, KILL="3")
    assert cluster.queue["100"] == {"tasks": [0], "name": cluster.queue["100"]["name"], "after": "", "begin": "now+180"}
    assert cluster.jobs() == [("finalizer", 1), ("pretrain", 1), ("prepare", 3)]
    cluster.sweep()
    assert cluster.jobs() == [
        ("finalizer", 1),
        ("pretrain", 1),
        ("prepare", 3),
        ("check", 1),
        ("finetune+collect", 6),
        ("generate", 6),
        ("judge", 6),
    ]
    assert (
        cluster.queue["100"]["begin"] == "now"
        and cluster.queue["100"]["after"].count("afterany:") == len(cluster.work) - 1
    )
