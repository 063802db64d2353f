"""What SLURM says is in its queue, read in one call; an error means "unknown", never "gone"."""

import re
import subprocess
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from winsweep.attempt import arrays
from winsweep.attempt.arrays import Submitted
from winsweep.errors import ClusterDown
from winsweep.slurm import reasons

FORMAT = "%i|%j|%T|%r|%N|%M|%l"
# Any other state is of a job that may run yet: SLURM 25.11 added one, and what is not known is not gone.
ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "REVOKED",
    "TIMEOUT",
)
SIGNALING = "SIGNALING"
HOLDS = ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
TIMEOUT_S = 60.0
# a line of squeue in FORMAT; a reason is prose, and may have a bar in it
TASK = re.compile(r"(\d+)_(\d+)\|([^|]*)\|([^|]*)\|(.*)\|([^|]*)\|([^|]*)\|([^|]*)")
# in the words of a command that does not know its cluster
NO_CONFIGURATION = re.compile(r"configuration (source|file)")
# How long an sbatch that was not heard to succeed may still turn up in the queue. One that comes later costs a job that
# ends as busy.
ACCEPT_S = 30.0


@dataclass(frozen=True)
class Task:
    """One task of a job array in the queue."""

    job: str
    index: int
    name: str
    state: str
    reason: str
    nodes: str
    elapsed: str
    limit: str

    @property
    def id(self) -> str:
        return f"{self.job}_{self.index}"


def snapshot() -> list[Task]:
    """Every live task of this user; ClusterDown if squeue fails or does not answer."""
    text = run(["squeue", "--me", "-h", "-r", "-t", "all", "-o", FORMAT])
    return [t for line in text.splitlines() if (t := parse(line)) and t.state not in ENDED]


def parse(line: str) -> Task | None:
    """One line of squeue; None for a job that is no array task."""
    match = TASK.fullmatch(line)
    return Task(match[1], int(match[2]), *match.groups()[2:]) if match else None


def lines(command: list[str], form: str) -> list[str]:
    """The lines of a SLURM command's output that have a form; a banner that a site prints before them is left out."""
    return [line.strip() for line in run(command).splitlines() if re.fullmatch(form, line.strip())]


def run(command: list[str], timeout_s: float = TIMEOUT_S) -> str:
    """The output of a SLURM command, never through a shell; ClusterDown with its words if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s)
    except FileNotFoundError:
        raise ClusterDown(
            f"{command[0]}: not found; is this a machine of the SLURM cluster? --cluster local needs none"
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterDown(
            f"{command[0]}: no answer within {timeout_s:.0f} s; what is in the queue is unknown, so nothing was "
            f"started; try again"
        ) from None
    if done.returncode:
        said = str(done.stderr.strip() or done.stdout.strip() or done.returncode)
        hint = (
            "; run this on a login node of the cluster, or name its configuration in SLURM_CONF"
            if NO_CONFIGURATION.search(said)
            else ""
        )
        raise ClusterDown(f"{' '.join(command[:2])}: {said}{hint}")
    return done.stdout


def cancel(tasks: Sequence[str]) -> None:
    """Take tasks out of the queue."""
    if tasks:
        run(["scancel", *tasks])


def max_array_tasks() -> int:
    """How many tasks an array may have: MaxArraySize caps the index, and the first is 0."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", run(["scontrol", "show", "config"]), re.MULTILINE)
    return int(match[1]) if match else 1000


def words(task: Task) -> str:
    """A queue state as a person says it."""
    if is_running(task):
        return f"runs on {task.nodes} since {task.elapsed} of {task.limit}"
    return reasons.words(task.reason) if task.state == "PENDING" else reasons.state(task.state)


def is_running(task: Task) -> bool:
    """Whether a task runs, also in the moment in which SLURM sends it a signal."""
    return task.state in ("RUNNING", SIGNALING)


def is_held(task: Task) -> bool:
    """Whether SLURM will not start this task before somebody releases it."""
    return task.state in HOLDS or (
        task.state == "PENDING" and re.search(r"held|hold", task.reason, re.IGNORECASE) is not None
    )


def held_by(task: Task) -> str:
    """Who holds a held task: "user" where a person of the study did on purpose, else "slurm" (or its administrator)."""
    return "user" if task.reason == "JobHeldUser" else "slurm"


def pairs(opened: Iterable[Submitted], queue: Iterable[Task]) -> list[tuple[Submitted, Task]]:
    """Each task of the queue that is one of an array's, with that array, found by the token in its job name."""
    by_token = {array.token: array for array in opened}
    found = [(by_token.get(task.name.rpartition(".")[2]), task) for task in queue]
    return [(array, task) for array, task in found if array and task.index < len(array.keys)]


def match(opened: list[Submitted], queue: list[Task], now: float) -> tuple[dict[str, Task | None], list[Submitted]]:
    """Key to its task in the queue (None: submitted a moment ago and not to be seen yet), and the arrays that are over.

    An array is found by the token in its job name, so one whose id was never written down is found too.
    """
    by_token: dict[str, list[Task]] = {}
    for task in queue:
        by_token.setdefault(task.name.rpartition(".")[2], []).append(task)
    queued: dict[str, Task | None] = {}
    over = []
    for array in opened:
        tasks = by_token.get(array.token, [])
        queued |= {key: t for t in tasks if t.index < len(array.keys) for key in array.keys[t.index]}
        if not tasks and array.job is None and now - array.at < ACCEPT_S:
            queued |= dict.fromkeys(key for keys in array.keys for key in keys)
        elif not tasks:
            over.append(array)
        elif array.job is None:
            arrays.know(array.folder, tasks[0].job)
    return queued, over


def gone(found: Iterable[tuple[Submitted, Task]], keys: Set[str]) -> list[tuple[Submitted, set[int]]]:
    """Arrays of which tasks are in the queue, as `pairs` has them, with the indices of those that are not any more and
    that were to make one of `keys`.
    """
    there: dict[str, tuple[Submitted, set[int]]] = {}
    for array, task in found:
        there.setdefault(array.token, (array, set()))[1].add(task.index)
    left = [(a, {n for n, of in enumerate(a.keys) if n not in here and keys & {*of}}) for a, here in there.values()]
    return [(array, indices) for array, indices in left if indices]


def waits_for(jobs: Sequence[str], any_of: bool) -> list[str]:
    """scontrol's word for a job behind all of `jobs`, or behind any of them."""
    return [f"Dependency={('?' if any_of else ',').join(f'afterany:{job}' for job in jobs)}"] if jobs else []


def alone(job: str) -> bool:
    """Whether this user has no other job in the queue."""
    ids = lines(["squeue", "--me", "-h", "-r", "-o", "%i"], r"\d\S*")
    return {found.partition("_")[0] for found in ids} <= {job}
