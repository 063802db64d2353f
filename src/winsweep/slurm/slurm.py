"""The one door to submitit: what a job array says to SLURM, as a script to read or as a submission.

submitit writes the batch script and calls sbatch; its pickles, signal handlers and job tracking are not used, because the
payload is a module and a path (see DESIGN.md).
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from itertools import count, groupby
from pathlib import Path

from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from winsweep.errors import ClusterDown, TooManyTasks
from winsweep.slurm.chain import Array

# What a job inside a job must not inherit.
SCRUBBED = ("SLURM", "SBATCH", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_", "SUBMITIT", "PMI", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")


def parameters(array: Array, name: str, dependency: str, exclude: list[str]) -> dict[str, object]:
    """sbatch's options for one array, by submitit's names."""
    placed = array.placement
    wait_s = 60 * placed.time_min if any(len(task) > 1 for task in array.tasks) else 30  # where the leader goes on alone, the others have ended
    asked = {"job_name": name, "time": placed.time_min, "nodes": placed.nodes, "ntasks_per_node": placed.ranks // placed.nodes,
             "cpus_per_task": placed.threads, "gpus_per_node": placed.gpus // placed.nodes or None, "mem": placed.mem_gb and f"{placed.mem_gb}G",
             "partition": placed.partition, "account": placed.account, "qos": placed.qos, "constraint": placed.constraint,
             "exclude": ",".join(exclude) or None, "dependency": dependency or None, "signal_delay_s": placed.signal_s,
             "array_parallelism": placed.throttle}
    extra = {"requeue": True, "kill-on-invalid-dep": "yes", "wckey": None, "begin": f"now+{array.begin_s}" if array.begin_s else None}
    return {k: v for k, v in asked.items() if v is not None} | {
        "additional_parameters": {k: v for k, v in extra.items() if v is not None}, "stderr_to_stdout": True,
        "srun_args": ["--kill-on-bad-exit=1", f"--wait={wait_s}"]}


def command(code: Path, module: str, *words: object) -> str:
    """A shell command that runs a module of the frozen copy `code`, every word quoted."""
    path = f"PYTHONPATH={shlex.quote(str(code / 'src'))}"
    return f"env {path} {shlex.quote(sys.executable)} -m {module} {' '.join(shlex.quote(str(w)) for w in words)}"


def script(array: Array, folder: Path, run: str, name: str, dependency: str, exclude: list[str]) -> str:
    """The batch script of an array, as it is submitted."""
    return _executor(array, folder, name, dependency, exclude)._make_submission_file_text(run, "x")


def submit(array: Array, folder: Path, run: str, name: str, dependency: str, exclude: list[str]) -> str:
    """Submit one array by one call of sbatch; its job id."""
    executor = _executor(array, folder, name, dependency, exclude)
    with _clean_environment():
        try:
            return executor._submit_command(run).job_id
        except (FailedJobError, FailedSubmissionError) as e:
            if "Invalid job array specification" in str(e):
                raise TooManyTasks(f"sbatch refused an array of {len(array.tasks)} tasks: {e}") from e
            raise ClusterDown(f"sbatch refused the {array.stage} array, or did not answer: {e}; if it was accepted all the same, the next "
                              f"call finds it by its name {name}") from e


def refusal(array: Array, timeout_s: float = 60.0) -> str | None:
    """Why SLURM would not take this array, in its own words, or None; asked by `sbatch --test-only`, which submits nothing."""
    with tempfile.TemporaryDirectory() as folder, _clean_environment():
        path = Path(folder) / "test.sh"
        path.write_text(script(array, Path(folder), "true", "winsweep.test", "", []))
        try:
            done = subprocess.run(["sbatch", "--test-only", str(path)], capture_output=True, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ClusterDown(f"sbatch --test-only: no answer within {timeout_s:.0f} s; try again") from None
    said = [re.sub(r"^(sbatch: |error: |allocation failure: )+", "", line) for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(said)) or f"exit code {done.returncode}" if done.returncode else None


def dependency_of(array: Array, jobs: list[str]) -> str:
    """sbatch's --dependency for an array, given the job ids of the arrays submitted before it."""
    words = []
    for after in array.after:
        job = jobs[after.on] if isinstance(after.on, int) else after.on
        named = ":".join(f"{job}_{n}" for n in after.tasks) or job
        words.append(f"{'aftercorr' if after.corresponding else 'afterany'}:{named}")
    return ",".join(words)


def ranges(indices: Sequence[int]) -> str:
    """Rising indices as sbatch reads them: 0-2,5."""
    runs = [list(of) for _, of in groupby(indices, key=lambda n, place=count(): n - next(place))]
    return ",".join(f"{of[0]}-{of[-1]}" if of[1:] or of == [0] else str(of[0]) for of in runs)


def _executor(array: Array, folder: Path, name: str, dependency: str, exclude: list[str]) -> SlurmExecutor:
    folder.mkdir(parents=True, exist_ok=True)
    executor = SlurmExecutor(folder)
    executor.update_parameters(**parameters(array, name, dependency, exclude))
    executor.parameters["map_count"] = len(array.tasks)
    executor.parameters["additional_parameters"]["array"] = f"{ranges(array.indices)}%{min(len(array.tasks), array.placement.throttle)}"
    return executor


@contextmanager
def _clean_environment():
    """Without the variables of a job that this process may be in; put back afterwards."""
    kept = {k: v for k, v in os.environ.items() if k.startswith(SCRUBBED) and k not in ("SLURM_CONF",)}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)
