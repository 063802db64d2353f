"""A pretended cluster's queue: arrays, dependencies, limits, states; and its commands, in words that SLURM takes."""

import re
import subprocess
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Literal

from tests.histories.actors import Actor

OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
NOBODY = (1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
LIMIT = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
INVALID = "sbatch: error: Batch job submission failed: Invalid job array specification"
MIN_AGE_S = 300.0  # that a job which is over is known
REQUEUED_S = 6.0  # until a job that was put back may begin
Said = tuple[int, str, str]  # exit code, stdout, stderr
Dependency = tuple[str, str, int | None]  # kind, job, index of the task or None for all


@dataclass
class Task:
    """One task of an array."""

    job: "Job"
    index: int
    state: str = "PENDING"
    restarts: int = 0
    held: Literal["", "JobHeldUser", "JobHeldAdmin"] = ""
    begin: float = 0.0
    over_at: float = 0.0
    actor: Actor | None = None
    after: list[Dependency] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.job.id}_{self.index}"

    @property
    def is_over(self) -> bool:
        return self.state in OVER


@dataclass
class Job:
    """One array, as its script asked for it."""

    id: str
    name: str
    module: str
    folder: str
    at: float
    is_any: bool = False
    tasks: dict[int, Task] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is for: finalizer, watchdog, or stages."""
        return self.name.split(".")[1]


class Queue:
    """What slurmctld knows; `now` is the clock."""

    def __init__(self, now: SimpleNamespace) -> None:
        self.clock = now
        self.jobs: dict[str, Job] = {}
        self.num_submitted = 0
        self.is_away = False
        self.lost_answers = 0  # of the next calls of sbatch
        self.most_tasks = 1000
        self.most_submitted = 1000

    # -- what it does by itself

    def live(self) -> list[Task]:
        return [t for job in self.jobs.values() for t in job.tasks.values() if not t.is_over]

    def resolve(self) -> None:
        """Dependencies looked at, and what is over for long forgotten."""
        changed = True
        while changed:
            changed = False
            for task in self.live():
                if task.state == "PENDING" and task.after:
                    self._look_at_dependencies(task)
                    changed = changed or task.is_over
        for job in [*self.jobs.values()]:
            if all(t.is_over and self.clock.now - t.over_at > MIN_AGE_S for t in job.tasks.values()):
                del self.jobs[job.id]

    def _look_at_dependencies(self, task: Task) -> None:
        verdicts = {dep: self._verdict(dep) for dep in task.after}
        if "never" in verdicts.values():
            self.finish(task, "CANCELLED")  # kill-on-invalid-dep
        elif task.job.is_any and "met" in verdicts.values():
            task.after = []
        else:
            task.after = [dep for dep, verdict in verdicts.items() if verdict != "met"]

    def _verdict(self, dependency: Dependency) -> str:
        kind, on, index = dependency
        job = self.jobs.get(on)
        tasks = [] if job is None else [*job.tasks.values()] if index is None else [job.tasks[index]]
        if not all(t.is_over for t in tasks):
            return "waits"
        return "never" if kind == "aftercorr" and any(t.state != "COMPLETED" for t in tasks) else "met"

    def ready(self) -> list[Task]:
        """Tasks that may begin now."""
        self.resolve()
        pending = [t for t in self.live() if t.state == "PENDING" and not t.held and not t.after]
        return [t for t in pending if t.begin <= self.clock.now]

    def finish(self, task: Task, state: str) -> None:
        task.state, task.over_at = state, self.clock.now

    def put_back(self, task: Task) -> None:
        task.state, task.restarts, task.actor = "PENDING", task.restarts + 1, None
        task.begin = self.clock.now + REQUEUED_S

    def task(self, name: str) -> Task | None:
        job, _, index = name.partition("_")
        return self.jobs[job].tasks.get(int(index)) if job in self.jobs and index else None

    def named(self, name: str) -> list[Task]:
        """The tasks that scancel or scontrol means by JOB or JOB_TASK."""
        if "_" in name:
            return [t] if (t := self.task(name)) else []
        return [*self.jobs[name].tasks.values()] if name in self.jobs else []

    # -- its commands

    def sbatch(self, text: str) -> Said:
        if self.is_away:
            return (1, "", "sbatch: error: Batch job submission failed: Unable to contact slurm controller")
        said = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", text, re.MULTILINE))
        parts = [part.partition("-") for part in said["array"].partition("%")[0].split(",")]
        indices = [n for first, _, last in parts for n in range(int(first), int(last or first) + 1)]
        if indices[-1] >= self.most_tasks:
            return (1, "", INVALID)
        if len(self.live()) + len(indices) > self.most_submitted:
            return (1, "", LIMIT)
        self.num_submitted += 1
        run = re.findall(r"-m (winsweep\.slurm\.\w+) (\S+)$", text, re.MULTILINE)[-1]
        job = Job(str(100 + self.num_submitted), said["job-name"], run[0], run[1].strip("'"), self.clock.now)
        begin = self.clock.now + float(said.get("begin", "now+0").partition("+")[2])
        self.jobs[job.id] = job
        for n in indices:
            job.tasks[n] = Task(job, n, begin=begin)
        self.depend(job, said.get("dependency", ""))
        if self.lost_answers:
            self.lost_answers -= 1
            return (1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
        return (0, f"{job.id}\n", "")

    def depend(self, job: Job, words: str) -> None:
        """As --dependency says it."""
        job.is_any = "?" in words
        asked = [
            (kind, on) for word in re.split("[,?]", words) if word for kind, *ons in [word.split(":")] for on in ons
        ]
        for task in job.tasks.values():
            task.after = [
                (kind, on.partition("_")[0], int(on.partition("_")[2]) if "_" in on else self._own(kind, on, task))
                for kind, on in asked
            ]

    def _own(self, kind: str, on: str, task: Task) -> int | None:
        return task.index if kind == "aftercorr" and on in self.jobs and task.index in self.jobs[on].tasks else None

    def say(self, words: list[str]) -> Said:
        """What squeue, scontrol, scancel or sinfo answers."""
        if self.is_away:
            return NOBODY
        self.resolve()
        if words[0] == "squeue":
            return self._squeue(words)
        if words[0] == "sinfo":
            return (0, "n1\nn2\nn3\n", "")
        if words[0] == "scancel":
            for name in words[1:]:
                self.cancel(name)
            return (0, "", "")
        if words[1] == "show":
            return (0, f"MaxArraySize            = {self.most_tasks}\n", "")
        return {"requeue": self._requeue, "release": self._release, "update": self._update}[words[1]](words[2:])

    def _squeue(self, words: list[str]) -> Said:
        if "-j" in words:
            task = self.task(words[words.index("-j") + 1])
            return (0, f"{task.state}\n", "") if task else (1, "", "slurm_load_jobs error: Invalid job id specified")
        tasks = [t for job in self.jobs.values() for t in job.tasks.values() if "all" in words or not t.is_over]
        if words[-1] == "%i":
            return (0, "".join(f"{t.id}\n" for t in tasks), "")
        lines = [
            f"{t.id}|{t.job.name}|{t.state}|{self._reason(t)}|{t.actor.host if t.actor else ''}|0:10|1:00:00\n"
            for t in tasks
        ]
        return (0, "".join(lines), "")

    def _reason(self, task: Task) -> str:
        if task.state != "PENDING":
            return "None"
        return task.held or ("Dependency" if task.after else "BeginTime" if task.begin > self.clock.now else "Priority")

    def cancel(self, name: str) -> None:
        for task in self.named(name):
            if task.actor and task.actor.lives and not task.is_over:
                task.actor.signals.append(15)
            if not task.is_over:
                self.finish(task, "CANCELLED")

    def _requeue(self, names: list[str]) -> Said:
        task = self.task(names[0])
        if task is None or task.is_over:
            return (1, "", "slurm_requeue error: Invalid job id specified")
        if task.state == "RUNNING":
            self.put_back(task)
        return (0, "", "")

    def _release(self, names: list[str]) -> Said:
        tasks = self.named(names[0])
        if not tasks:
            return (1, "", "slurm_update error: Invalid job id specified")
        for task in tasks:
            task.held = ""
        return (0, "", "")

    def _update(self, words: list[str]) -> Said:
        said = {name: value for name, _, value in (word.partition("=") for word in words)}
        tasks = [t for t in self.named(said["JobId"]) if t.state == "PENDING"]
        if not tasks:
            return (1, "", "slurm_update error: Job is no longer pending execution")
        for task in tasks:
            task.begin = self.clock.now + float(said.get("StartTime", "now").partition("+")[2] or 0)
        if "Dependency" in said:
            self.depend(tasks[0].job, said["Dependency"])
        return (0, "", "")


def commands(queue: Queue, door: SimpleNamespace) -> SimpleNamespace:
    """In the place of the module subprocess: SLURM's commands alone."""

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess:
        door.door()
        return subprocess.CompletedProcess(words, *queue.say(words))

    return SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
