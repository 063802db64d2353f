"""Why a job is where it is, in words: SLURM's reasons are told by how they begin, in any case, with blanks or
underscores.
"""

import re
from functools import lru_cache

from winsweep.command_names import as_typed

# By prefix of the reason without blanks, underscores and other signs; of several that fit the longest counts.
REASONS = {
    "None": "waits to be looked at by the scheduler",
    "Priority": "waits: others come first",
    "Resources": "waits for free nodes",
    "Dependency": "waits for what it is made from",
    "DependencyNeverSatisfied": "cannot start: what it is made from failed",
    "JobArrayTaskLimit": "waits: as many tasks of its array run as the cluster file allows",
    "BeginTime": "waits for the time at which it may begin; after a requeue that is in a moment",
    "Cleaning": "was requeued and waits until its last attempt is cleared away",
    "Prolog": "is about to start: its nodes are being prepared",
    "ReqNodeNotAvail": "waits: nodes that it needs are down or reserved",
    "NodeDown": "waits: a node that it needs is down",
    "NodesRequiredForJobAre": "waits: nodes that it needs are down, drained or reserved",
    "FrontEndDown": "waits: the front-end node is down",
    "BootFail": "failed: its node did not boot",
    "PartitionDown": "waits: its partition is down",
    "PartitionInactive": "waits: its partition takes no jobs to run now",
    "PartitionTimeLimit": "cannot start: it asks for more time than the partition allows",
    "PartitionNodeLimit": "cannot start: it asks for more nodes than the partition allows, or fewer",
    "PartitionConfig": "cannot start: it asks for what the partition does not have",
    "MaxMemPerLimit": "cannot start: it asks for more memory than the partition allows on a node, or for each CPU",
    "Constraints": "cannot start: no nodes have what it asks for; python launch/doctor.py says what there is",
    "BadConstraints": "cannot start: no nodes have what it asks for; python launch/doctor.py says what there is",
    "AccountingPolicy": "waits: its account or QOS uses all that it may",
    "AccountNotAllowed": "cannot start: its account may not use the partition",
    "QOSNotAllowed": "cannot start: its QOS may not be used there",
    "QOSJobLimit": "waits: its QOS runs as many jobs as it may",
    "QOSTimeLimit": "cannot start: it asks for more time than its QOS allows",
    "QOSResourceLimit": "waits: its QOS uses all that it may",
    "QOSUsageThreshold": "waits: its QOS asks for a higher share than you have left",
    "InvalidAccount": "cannot start: its account is not valid any more",
    "InvalidQOS": "cannot start: its QOS is not valid any more",
    "AssociationJobLimit": "waits: your account runs as many jobs as it may",
    "AssociationResourceLimit": "waits: your account uses all that it may",
    "AssociationTimeLimit": "cannot start: it asks for more time than your account allows",
    "SchedDefer": "waits: the cluster starts nothing at once",
    "Power": "waits: the cluster has no power left for it",
    "Licenses": "waits for a licence",
    "Reservation": "waits for its reservation, or until that of others is over",
    "ReservationInvalid": "cannot start: its reservation cannot be used",
    "ReservationDeleted": "cannot start: its reservation was deleted",
    "BurstBuffer": "waits for its burst buffer",
    "MaxRequeue": "is held: it was requeued as often as the cluster allows; scontrol release lets it go",
    "JobHoldMaxRequeue": "is held: it was requeued as often as the cluster allows; scontrol release lets it go",
    "JobHeldUser": "is held; scontrol release lets it go",
    "JobHeldAdmin": "is held by the administrator",
    "LaunchFailedRequeuedHeld": "is held after it could not be launched; scontrol release lets it go",
    "LaunchFailureLimit": "is held: it was requeued as often as the cluster allows; scontrol release lets it go",
    "JobRequeuedInHeldState": "is held since it was requeued; scontrol release lets it go",
    "JobLaunchFailure": "failed: it could not be launched",
    "RaisedSignal": "ended by a signal",
    "InactiveLimit": "ended: it was idle for too long",
    "SystemFailure": "failed: a fault of the cluster",
    "OutOfMemory": "failed: out of memory",
    "TimeLimit": "ended at its time limit",
    "NonZeroExitCode": "ended with an error",
    "DeadLine": "cannot start: it could not end before its deadline",
    "FedJobLock": "waits: another cluster of the federation may start it first",
}
STATES = {  # of a task that neither waits nor runs
    "SUSPENDED": "is suspended: it goes on when the job in its place ends, or after an operator's scontrol resume",
    "STOPPED": "is stopped by a signal, and goes on after another",
    "CONFIGURING": "is about to start: its nodes are being prepared",
    "COMPLETING": "has ended, and its nodes are being cleared",
    "STAGE_OUT": "has ended, and its files are being copied",
}
LIMITED = re.compile(r"(qos|assoc|part)(grp|max|min)(.*)")  # of a plain reason
OF_QOS = re.compile(r"max\w+per(user|account)")  # which SLURM writes without QOS in front
# What a limit of a QOS, account or partition counts, by what its name has in it.
COUNTED = (
    ("submit", "submitted jobs"),
    ("cpumin", "CPU minutes"),
    ("cpurunmin", "CPU minutes"),
    ("gresmin", "GPU minutes"),
    ("gresrunmin", "GPU minutes"),
    ("wall", "time"),
    ("billing", "billing units"),
    ("gres", "GPUs"),
    ("gpu", "GPUs"),
    ("cpu", "CPUs"),
    ("mem", "memory"),
    ("node", "nodes"),
    ("energy", "energy"),
    ("license", "licences"),
    ("bb", "burst buffer"),
    ("job", "jobs"),
    ("min", "minutes"),
)
WHO = {"qos": "the QOS", "assoc": "your account", "part": "the partition"}


@lru_cache(1000)  # of ten thousand tasks in the queue most wait for the same
def words(said: str) -> str:
    """SLURM's reason in words; one that is not known is shown as it is and said to be unknown."""
    said = said.strip().removeprefix("(") if said.startswith("(") else said
    bare = plain(said)
    fitting = [known for known in REASONS if bare.startswith(plain(known)) and (known != "None" or bare == "none")]
    if fitting:
        told = as_typed(REASONS[max(fitting, key=len)])
        detail = said.partition(",")[2].strip() or said.partition("(")[2].rstrip(") ").strip()
        return f"{told} ({detail})" if detail else told
    return limit(bare) or f"waits for a reason that is not known here: {said.strip() or 'none was given'}"


def state(said: str) -> str:
    """SLURM's name of a task's state in words."""
    return STATES.get(said, said.lower().replace("_", " "))


def limit(bare: str) -> str:
    """The families QOSGrp…, QOSMax…PerUser, Max…PerAccount, AssocGrp…, AssocMax…; "" for what is none."""
    match = LIMITED.match(f"qos{bare}" if OF_QOS.fullmatch(bare) else bare)
    if not match:
        return ""
    who, kind, what = match.groups()
    counted = next((name for word, name in COUNTED if word in what), what)
    if kind == "min":
        return f"cannot start: it asks for fewer {counted} than {WHO[who]} wants of a job"
    if kind == "max" and (re.search(r"perjob|pernode", what) or what.startswith("wall")):
        return f"cannot start: it asks for more {counted} than {WHO[who]} allows one job"
    if "peraccount" in what:
        return f"waits: all of your account use all the {counted} that {WHO[who]} allows"
    whose = "you use" if "peruser" in what or (kind, who) == ("max", "assoc") else "all that share it use"
    return f"waits: {whose} all the {counted} that {WHO[who]} allows"


def plain(said: str) -> str:
    return re.sub(r"[^a-z0-9]", "", said.partition(",")[0].partition("(")[0].lower())
