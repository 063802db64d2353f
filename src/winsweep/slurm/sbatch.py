"""The one door to sbatch: a job array is submitted by one call, and what it answers is told apart."""

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winsweep import command_names
from winsweep.errors import ClusterDown, QueueFull, Refused, TooManyTasks
from winsweep.slurm import queue
from winsweep.slurm.batch_script import script
from winsweep.slurm.chain import Array
from winsweep.store import folders

# What a job inside a job must not inherit.
SCRUBBED = (
    "SLURM",
    "SBATCH",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "MASTER_",
    "SUBMITIT",
    "PMI",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
)
SUBMIT_S = 60.0  # as for any other question to SLURM
# sbatch's own words. A limit on submitted jobs is met; sbatch would try again for two minutes; nobody knows whether the
# job was accepted.
LIMIT = re.compile(r"\w*Submit\w*Limit|MaxJobCount|Resource temporarily unavailable")
BUSY = re.compile(r"temporarily unable to accept job|job queue full", re.IGNORECASE)
POLICY = "Job violates accounting/QOS policy"
NAMED = re.compile(r"\b(QOS|Assoc|Part)[A-Z]\w+")
UNHEARD = re.compile(r"timed out|unable to contact|communicat|zero bytes|connection|try again later", re.IGNORECASE)


def submit(array: Array, folder: Path, run: str, name: str, dependency: str, exclude: list[str]) -> str:
    """Submit one array by one call of sbatch; its job id.

    QueueFull, TooManyTasks or Refused: nothing was accepted. ClusterDown: whether it was is not known.
    """
    folders.make(folder)
    path = folder / "array_submission.sh"
    path.write_text(script(array, folder, run, name, dependency, exclude))
    code, said, problems = _sbatch(["--parsable", str(path)])
    if code:
        raise _error(array, name, problems or said or f"exit code {code}")
    # Banners may come before it, and in a federation the cluster's name behind it.
    found = [match[1] for line in said.splitlines() if (match := re.fullmatch(r"(\d+)(;\S*)?", line.strip()))]
    return found[-1] if found else _job_named(name, said)


def _sbatch(words: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; sbatch is ended where it says that the cluster holds all the jobs that it may,
    instead of trying on.
    """
    with _clean_environment():
        try:
            running = subprocess.Popen(
                ["sbatch", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except FileNotFoundError:
            raise ClusterDown(
                "sbatch: not found; is this a machine of the SLURM cluster? --cluster local needs none"
            ) from None
    silent = threading.Event()

    def give_up() -> None:
        silent.set()
        running.kill()

    timer = threading.Timer(SUBMIT_S, give_up)
    timer.start()
    problems, out, err = "", running.stdout, running.stderr
    assert out and err, "both are pipes"
    with running:
        for line in err:
            problems += line
            if BUSY.search(line):
                running.kill()
                break
        said = out.read()
    timer.cancel()
    return (
        running.returncode,
        said,
        f"timed out: no answer within {SUBMIT_S:.0f} s" if silent.is_set() else problems.strip(),
    )


def _error(array: Array, name: str, said: str) -> ClusterDown:
    """What a failed sbatch means, with its words on one line."""
    lines = (re.sub(r"^(sbatch: |error: )+", "", line).strip() for line in said.splitlines())
    said = "; ".join(dict.fromkeys(line for line in lines if line))
    if "Invalid job array specification" in said:
        return TooManyTasks(f"sbatch refused an array of {len(array.tasks)} tasks: {said}")
    if LIMIT.search(said) or BUSY.search(said) or (POLICY in said and not NAMED.search(said)):
        return QueueFull(said)
    if UNHEARD.search(said):
        return ClusterDown(
            f"sbatch did not answer for the {array.stage} array: {said}; if it was accepted all the same, the next "
            f"call "
            f"finds it by its name {name}"
        )
    return Refused(
        f"sbatch refused the {array.stage} array: {said}; {command_names.command('doctor')} says what this cluster has"
    )


def _job_named(name: str, said: str) -> str:
    """The id of the job of this name in the queue, where sbatch accepted it and its answer has none."""
    for wait_s in (0, 1, 3):
        time.sleep(wait_s)
        if found := next((t.job for t in queue.snapshot() if t.name == name), None):
            return found
    raise ClusterDown(
        f"sbatch gave no job id, but {said.strip()!r}; if it was accepted, the next call finds it by its name {name}"
    )


def refusal(array: Array, timeout_s: float = 60.0) -> str | None:
    """Why SLURM would not take this array, in its own words, or None; asked by `sbatch --test-only`, which submits
    nothing.
    """
    with tempfile.TemporaryDirectory() as folder, _clean_environment():
        path = Path(folder) / "test.sh"
        path.write_text(script(array, Path(folder), "true", "winsweep.test", "", []))
        try:
            done = subprocess.run(
                ["sbatch", "--test-only", str(path)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise ClusterDown(f"sbatch --test-only: no answer within {timeout_s:.0f} s; try again") from None
    said = [
        re.sub(r"^(sbatch: |error: |allocation failure: )+", "", line)
        for line in done.stderr.splitlines()
        if line.strip()
    ]
    return "; ".join(dict.fromkeys(said)) or f"exit code {done.returncode}" if done.returncode else None


def dependency_of(array: Array, jobs: list[str]) -> str:
    """sbatch's --dependency for an array, given the job ids of the arrays submitted before it."""
    words = []
    for after in array.after:
        job = jobs[after.on] if isinstance(after.on, int) else after.on
        named = ":".join(f"{job}_{n}" for n in after.tasks) or job
        words.append(f"{'aftercorr' if after.corresponding else 'afterany'}:{named}")
    return ",".join(words)


@contextmanager
def _clean_environment() -> Iterator[None]:
    """Without the variables of a job that this process may be in; put back afterwards."""
    kept = {k: v for k, v in os.environ.items() if k.startswith(SCRUBBED) and k != "SLURM_CONF"}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)
