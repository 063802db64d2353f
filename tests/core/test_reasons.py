"""SLURM's reasons as a person reads them, however a version of SLURM writes them."""

import pytest

from winsweep.slurm import queue
from winsweep.slurm.queue import Task
from winsweep.slurm.reasons import words


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("launch failed requeued held", "is held after it could not be launched; scontrol release lets it go"),
        ("launch_failed_requeued_held", "is held after it could not be launched; scontrol release lets it go"),
        ("job requeued in held state", "is held since it was requeued"),
        ("JobHoldMaxRequeue", "is held: it was requeued as often as the cluster allows"),
        ("launch failure limit exceeded requeued held", "is held: it was requeued as often as the cluster allows"),
        ("JobHeldAdmin", "is held by the administrator"),
        ("JobHeldUser", "is held; scontrol release"),
        (
            "ReqNodeNotAvail, UnavailableNodes:n[1-2]",
            "waits: nodes that it needs are down or reserved (UnavailableNodes:n[1-2])",
        ),
        ("ReqNodeNotAvail(Unavailable:n1)", "waits: nodes that it needs are down or reserved (Unavailable:n1)"),
        (
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            "waits: nodes that it needs are down, drained",
        ),
        ("AssocGrpCpuLimit", "waits: all that share it use all the CPUs that your account allows"),
        ("AssocGrpCPUMinutesLimit", "waits: all that share it use all the CPU minutes that your account allows"),
        ("AssocGrpGRES", "waits: all that share it use all the GPUs that your account allows"),
        ("AssocMaxJobsLimit", "waits: you use all the jobs that your account allows"),
        ("QOSMaxJobsPerUserLimit", "waits: you use all the jobs that the QOS allows"),
        ("QOSMaxGRESPerUser", "waits: you use all the GPUs that the QOS allows"),
        ("qos_max_cpu_per_user_limit", "waits: you use all the CPUs that the QOS allows"),
        ("QOSGrpNodeLimit", "waits: all that share it use all the nodes that the QOS allows"),
        ("QOSMaxWallDurationPerJobLimit", "cannot start: it asks for more time than the QOS allows one job"),
        ("MaxGRESPerAccount", "waits: all of your account use all the GPUs that the QOS allows"),
        ("MaxSubmitJobsPerAccount", "waits: all of your account use all the submitted jobs that the QOS allows"),
        ("MaxCpuRunMinsPerUser", "waits: you use all the CPU minutes that the QOS allows"),  # since 23.11
        ("MaxMemPerLimit", "cannot start: it asks for more memory"),
        ("ReservationInvalid", "cannot start: its reservation cannot be used"),  # since 23.11
        ("Constraints", "cannot start: no nodes have what it asks for"),  # since 25.05
        ("QOSMinGRES", "cannot start: it asks for fewer GPUs than the QOS wants of a job"),
        ("BadConstraints", "cannot start: no nodes have what it asks for"),
        ("Licenses", "waits for a licence"),
        ("Reservation", "waits for its reservation"),
        ("ReservationDeleted", "cannot start: its reservation was deleted"),
        ("BeginTime", "waits for the time at which it may begin"),
        ("NodeDown", "waits: a node that it needs is down"),
        ("PartitionDown", "waits: its partition is down"),
        ("Partition_Inactive", "waits: its partition takes no jobs"),
        ("Dependency", "waits for what it is made from"),
        ("DependencyNeverSatisfied", "cannot start: what it is made from failed"),
        ("(Priority)", "waits: others come first"),
        ("PRIORITY", "waits: others come first"),
        ("Fairy Dust", "waits for a reason that is not known here: Fairy Dust"),
        ("Nonesuch", "waits for a reason that is not known here: Nonesuch"),
        ("", "waits for a reason that is not known here: none was given"),
    ],
)
def test_a_reason_in_words(said, told):
    assert words(said).startswith(told)
    assert queue.words(Task("1", 0, "n", "PENDING", said, "", "0:00", "1:00")) == words(said)


def test_states_that_are_no_waiting():
    assert queue.words(Task("1", 0, "n", "REQUEUE_HOLD", "None", "", "", "")) == "requeue hold"
    assert queue.words(Task("1", 0, "n", "RUNNING", "None", "n3", "0:10", "1:00")) == "runs on n3 since 0:10 of 1:00"


def test_a_task_that_is_sent_a_signal_still_runs():
    task = Task("7", 0, "x", "SIGNALING", "None", "n1", "1:00", "1:00:00")
    assert queue.is_running(task) and queue.words(task) == "runs on n1 since 1:00 of 1:00:00"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("SUSPENDED", "is suspended: it goes on when the job in its place ends"),
        ("COMPLETING", "has ended, and its nodes are being cleared"),
        ("REVOKED_SOMEHOW", "revoked somehow"),
    ],
)
def test_a_task_that_neither_waits_nor_runs_is_told_by_its_state(state: str, told: str) -> None:
    assert queue.words(Task("7", 0, "", state, "None", "", "", "")).startswith(told)
