"""What is submitted where SLURM takes few jobs, and what of sbatch's answers is believed: its commands are scripts that
answer as such a cluster's do.
"""

import json
import shutil

import pytest

from tests.core.pretended import Pretended

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


def test_a_launcher_that_is_killed_between_leaves_a_finalizer_that_begins_by_itself(tmp_path):
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
