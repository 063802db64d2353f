"""What a SLURM cluster says that it has: partitions, their limits and nodes, and what this user may use, parsed from
its commands.
"""

import math
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from winsweep.errors import ClusterDown
from winsweep.quoting import excerpt
from winsweep.slurm import queue

FORMAT = "%R|%P|%a|%l|%s|%D|%c|%m|%G|%f|%T"
USABLE = (
    "idle",
    "mixed",
    "allocated",
    "completing",
    "planned",
    "reserved",
    "power_saving",
    "powered_down",
    "powering_up",
)


@dataclass(frozen=True)
class Kind:
    """Nodes of a partition that are alike."""

    num: int
    cpus: int
    mem_mb: int
    gpus: Mapping[str, int]  # of each node, by type; "" where the cluster names none
    features: frozenset[str]
    state: str

    @property
    def num_gpus(self) -> int:
        return sum(self.gpus.values())

    @property
    def is_usable(self) -> bool:
        return self.state.rstrip("~#%$@^-+!") in USABLE  # a star, which is kept, marks a node that does not answer


@dataclass(frozen=True)
class Partition:
    name: str
    is_default: bool
    is_up: bool
    max_min: float  # longest time of a job, minutes
    max_nodes: float  # of a job
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Rights:
    """Accounts that this user may charge, each with the QOS that it may ask for."""

    user: str
    qos: Mapping[str, frozenset[str]]
    enforced: bool  # whether SLURM refuses what is not in here


def partitions() -> dict[str, Partition]:
    """Every partition that this user sees; ClusterDown if SLURM does not answer, or nothing of it can be read."""
    text = queue.run(["sinfo", "-h", "-e", "-o", FORMAT])
    found = parse_partitions(text)
    if text.strip() and not found:
        raise ClusterDown(
            f"sinfo: found {excerpt(text.strip())}; lines of 11 fields with | between them are legal, as SLURM prints "
            f"them; type sinfo -h -e -o '{FORMAT}', and take away what stands before SLURM's sinfo in PATH"
        )
    return found


def parse_partitions(text: str) -> dict[str, Partition]:
    """The lines of sinfo in FORMAT, one for each partition and kind of node; others are a site's banner."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        with suppress(ValueError):
            told = _partition([field.strip() for field in line.split("|")])
            before = found[told.name].kinds if told.name in found else ()
            found[told.name] = replace(told, kinds=(*before, *told.kinds))
    return found


def _partition(fields: Sequence[str]) -> Partition:
    """What one line says; ValueError where it is none of sinfo's."""
    name, starred, up, limit, size, num, cpus, mem, gres, features, state = fields
    kind = Kind(
        int(num), _number(cpus), _number(mem), gpus_of(gres), frozenset(features.split(",")) - {"(null)", ""}, state
    )
    most = float(size.rpartition("-")[2].replace("infinite", "inf"))
    return Partition(name, starred.endswith("*"), up == "up", minutes(limit), most, (kind,))


def gpus_of(gres: str) -> dict[str, int]:
    """GPUs by type in a word like gpu:a100:4(S:0-1),nvme:1."""
    found: dict[str, int] = {}
    for kind, num in re.findall(r"(?:^|,)gpu(?::([A-Za-z][\w.-]*))?(?::(\d+))?(?=[,(]|$)", gres):
        found[kind] = found.get(kind, 0) + int(num or 1)
    return found


def minutes(limit: str) -> float:
    """A time of SLURM's ([days-]hours:minutes:seconds, minutes:seconds, infinite) in minutes."""
    if limit in ("infinite", "UNLIMITED", "n/a"):
        return math.inf
    days, _, clock = limit.rpartition("-")
    parts = [int(p) for p in clock.split(":")]
    seconds = sum(p * 60**n for n, p in enumerate(reversed(parts)))
    return int(days or 0) * 1440 + seconds / 60


def settings() -> dict[str, str]:
    """slurm.conf as the controller has it."""
    pairs = (line.partition("=") for line in queue.run(["scontrol", "show", "config"]).splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def rights(config: Mapping[str, str]) -> Rights | None:
    """What this user may charge; None where the cluster keeps no accounts. ClusterDown if its database is silent."""
    if not config.get("AccountingStorageType", "").endswith("slurmdbd"):
        return None
    user = pwd.getpwuid(os.getuid()).pw_name
    cluster = config.get("ClusterName", "")
    told = queue.run(
        ["sacctmgr", "-nP", "show", "association", f"user={user}", f"cluster={cluster}", "format=account,qos"]
    )
    return Rights(user, parse_rights(told.splitlines()), "associations" in config.get("AccountingStorageEnforce", ""))


def parse_rights(lines: Sequence[str]) -> dict[str, frozenset[str]]:
    """Lines account|qos,qos of sacctmgr; an account that is there twice (for two partitions) has the QOS of both."""
    found: dict[str, frozenset[str]] = {}
    for line in lines:
        account, bar, qos = line.partition("|")
        if not bar:  # a site's banner
            continue
        found[account] = found.get(account, frozenset()) | (frozenset(qos.split(",")) - {""})
    return found


def _number(text: str) -> int:
    return int(re.split(r"\D", text)[0])
