"""What SLURM starts: one rank of one task of an array, `python -m winsweep.slurm.node FOLDER`, where FOLDER holds the
specs of all tasks.
"""

from winsweep.attempt import stopflag

if __name__ == "__main__":
    stopflag.hold()  # before the imports, which take most of the first second

import os
import subprocess
import sys
import time
from pathlib import Path

from winsweep import screen
from winsweep.attempt import arrays, history
from winsweep.attempt import spec as specs
from winsweep.attempt.attempt import run
from winsweep.attempt.endings import FAILED, OK, STOPPED
from winsweep.attempt.fork_server import redirect
from winsweep.attempt.spec import Spec
from winsweep.attempt.stopflag import StopFlag
from winsweep.slurm import held, queue, task_script
from winsweep.store import links
from winsweep.store.store import Store

SIGNALING_S = 0.2
FIRST_TURN = ".0"  # ends its token; SLURM itself puts a task back for others
# how long slurmctld may be away while a stopped attempt asks for another turn; after that the finalizer sees to it
ASK_S = 120.0


def main(folder: Path) -> int:
    """Make what this task's index names, one result after the other; if a signal stopped it, put this task (and no
    sibling) back into the queue, once.

    All ranks make the first result; the leader makes what follows from it.
    """
    screen.speak_any()
    task_script.mark_begun(folder)
    index, rank, num_ranks = (int(os.environ[name]) for name in ("SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "SLURM_NTASKS"))
    task = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{index}"
    token = f"slurm-{task}.{os.environ.get('SLURM_RESTART_COUNT', '0')}"
    first, *others = arrays.specs_of(folder, index)
    flag = StopFlag()
    code = make(first, rank, num_ranks, token, flag)
    for spec in others:
        code = make(spec, 0, 1, token, flag) if rank == 0 and code == OK else code
    if code != STOPPED:
        if rank == 0:
            held.look_at_times(Path(first.store))
        return code
    if rank == 0:
        requeue(task)
        return code
    return OK  # any other code would make srun kill rank 0 before it has asked for another turn


def make(spec: Spec, rank: int, num_ranks: int, token: str, flag: StopFlag) -> int:
    """One attempt, with its log and (for people, and for an attempt by hand) its spec in the work directory of its
    result; none where the result failed for good while this task waited, as another that SLURM was given twice may.
    """
    store = Store(Path(spec.store)).open(is_made=True)
    work = Path(spec.store) / ".work" / spec.key
    log = links.inside(Path(spec.store), work / "logs" / f"{token}.log")
    redirect(log if rank == 0 else log.with_suffix(f".r{rank}.log"))
    if rank == 0:
        specs.write(spec, work / "spec.json")
        if token.endswith(FIRST_TURN) and (why := history.failures(store, [spec.key]).get(spec.key)):
            history.count(store, spec.key, token, "stopped", f"not begun: {why}")
            print(f"{spec.name}: not begun, as it failed since this task was submitted: {why}", flush=True)
            return FAILED
    code = run(spec, rank, num_ranks, token, flag)
    sys.stdout.flush()
    return code


def requeue(task: str) -> None:
    """Back into the queue, unless a person cancelled the task. Always by ARRAY_TASK: one task's raw id is that of its
    whole array.
    """
    limit = time.monotonic() + ASK_S
    while time.monotonic() < limit:
        known, state = _say(["squeue", "-h", "-j", task, "-o", "%T"])
        # for the moment in which SLURM sends its signal, which a fast attempt's end may fall into
        if known and state == queue.SIGNALING:
            time.sleep(SIGNALING_S)
            continue
        if known and state != "RUNNING":
            print(f"{task} is {state or 'gone'}: no other turn asked for", flush=True)
            return
        asked, said = _say(["scontrol", "requeue", task]) if known else (False, state)
        print(f"{task} asks for another turn {said}", flush=True)
        if asked:
            return
        time.sleep(1)


def _say(command: list[str]) -> tuple[bool, str]:
    """Whether SLURM answered, and what; that it knows no such job is an answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        return False, type(e).__name__
    unknown = "Invalid job id" in done.stderr
    return not done.returncode or unknown, "" if unknown else (done.stdout + done.stderr).strip()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
