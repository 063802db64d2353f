"""How many jobs a user may have in the queue at once: the limits of SLURM's accounting, read and told."""

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from winsweep.check.finding import Finding
from winsweep.errors import ClusterDown
from winsweep.placement import Placement
from winsweep.slurm import queue

QOS_FIELDS = {
    "maxsubmitjobsperuser": "of each user",
    "maxsubmitjobsperaccount": "of each account",
    "grpsubmitjobs": "of all who use it",
}
ASSOC_FIELDS = {"maxsubmitjobs": "of each user", "grpsubmitjobs": "of all who use it"}


@dataclass(frozen=True)
class Limit:
    """At most `num` jobs in the queue, each task of an array counted as one."""

    num: int
    of: str  # QOS small, account x, the cluster
    whose: str  # jobs that count

    def __str__(self) -> str:
        return f"{self.num} jobs {self.whose} ({self.of})"


def check_limits(placements: Sequence[Placement], config: Mapping[str, str]) -> Finding:
    """How many jobs may be submitted at once, and what that means for a study."""
    what = "submitted jobs"
    try:
        found = submit_limits(placements, config)
    except (ClusterDown, KeyError, ValueError) as e:
        return Finding("unknown", what, str(e), "try again when its database answers")
    if not found:
        return Finding("ok", what, "no limit is known")
    said = f"at most {'; '.join(map(str, found[:3]))}; each task of an array counts as one"
    if found[0].num < 2:
        return Finding(
            "problem",
            what,
            said,
            "a study needs two (a task, and the finalizer that goes on): name another qos:, account: or partition:",
        )
    return Finding(
        "ok",
        what,
        said,
        "of a larger study as much is submitted as fits, and its finalizer submits the rest as room appears",
    )


def submit_limits(placements: Sequence[Placement], config: Mapping[str, str]) -> list[Limit]:
    """Every limit that jobs of `placements` meet, the least first. ClusterDown if the database does not answer."""
    cluster = (
        [Limit(int(config["MaxJobCount"]), "MaxJobCount", "of all users")]
        if config.get("MaxJobCount", "").isdigit()
        else []
    )
    if not config.get("AccountingStorageType", "").endswith("slurmdbd") or "limits" not in config.get(
        "AccountingStorageEnforce", ""
    ):
        return cluster
    user, name = pwd.getpwuid(os.getuid()).pw_name, config.get("ClusterName", "")
    fields = ",".join(("account", "user", "partition", "defaultqos", *ASSOC_FIELDS))
    rows = _table(["association", f"cluster={name}", f"format={fields}"])
    own = [r for r in rows if r["user"] == user]
    accounts = {p.account for p in placements if p.account} or {r["account"] for r in own}
    used = [
        r
        for r in rows
        if r["account"] in accounts
        and r["user"] in (user, "")
        and r["partition"] in ("", *(p.partition for p in placements))
    ]
    names = {p.qos for p in placements if p.qos} | {
        r["defaultqos"] for r in own if r["account"] in accounts and not all(p.qos for p in placements)
    }
    names |= partition_qos({p.partition for p in placements})
    qos = [r for r in _table(["qos", f"format=name,{','.join(QOS_FIELDS)}"]) if r["name"] in names]
    found = [*_limits(used, "account", ASSOC_FIELDS), *_limits(qos, "name", QOS_FIELDS), *cluster]
    return sorted(dict.fromkeys(found), key=lambda x: x.num)


def partition_qos(partitions: set[str | None]) -> set[str]:
    """Names of the QOS that partitions bring along; None is the default one."""
    found = set()
    for line in queue.run(["scontrol", "show", "partition", "--oneliner"]).splitlines():
        said = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if said.get("PartitionName") in partitions or (None in partitions and said.get("Default") == "YES"):
            found |= {said.get("QoS", "N/A")} - {"N/A"}
    return found


def _limits(rows: Sequence[Mapping[str, str]], name: str, fields: Mapping[str, str]) -> Iterator[Limit]:
    for row in rows:
        for field, whose in fields.items():
            if row[field].isdigit():
                yield Limit(int(row[field]), f"{'QOS' if name == 'name' else name} {row[name]}", whose)


def _table(asked: list[str]) -> list[dict[str, str]]:
    """What sacctmgr lists, by the names in its format=."""
    names = asked[-1].removeprefix("format=").split(",")
    return [
        dict(zip(names, line.split("|"), strict=True))
        for line in queue.lines(["sacctmgr", "-nP", "show", *asked], r"[^|]*(\|[^|]*)" + f"{{{len(names) - 1}}}")
    ]
