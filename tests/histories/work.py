"""The work of a stage in histories: quick, resumed, stopped, and failing as it is told to."""

import hashlib
from collections.abc import Callable

from tests.histories.actors import BEGINNING, Machine
from tests.histories.rules import Rules
from winsweep.attempt.job import Job
from winsweep.errors import BadData, JudgeFailed, JudgeRefused, Stopped, Unreachable, Waiting

STEPS = 2


class HardExit(BaseException):
    """A library ends the process."""


FAULTS: dict[str, Callable[[], BaseException]] = {
    "application": lambda: RuntimeError("a fault"),
    "data": lambda: BadData("a fault"),
    "memory": lambda: MemoryError("a fault"),
    "disk": lambda: OSError(28, "no space left"),
    "judge": lambda: JudgeFailed("a fault"),
    "refused": lambda: JudgeRefused("a fault"),
    "network": lambda: Unreachable("a fault"),
    "exit": lambda: SystemExit(3),
    "hard exit": HardExit,
    "waiting": lambda: Waiting("a batch", BEGINNING + 500),
}


def make(stage: str, job: Job, machine: Machine, rules: Rules) -> None:
    """What it writes hangs on what it is asked for alone."""
    key = f"{stage}/{job.name.rpartition('-')[2]}"
    with rules.working(key, machine.current):
        saved = job.work / "saved"
        done = int(saved.read_text() or 0) if saved.exists() else 0
        for step in range(done + 1, STEPS + 1):
            try:
                rules.raise_next()
            except HardExit:
                machine.exit(3)
            if stage == "finetune" and (why := job.stopping()):
                raise Stopped(why)
            saved.write_text(str(step))
            job.progress(step, STEPS)
        made = job.out / ("results.csv" if stage == "aggregate" else "made.txt")
        made.write_text(hashlib.sha256(key.encode()).hexdigest())
