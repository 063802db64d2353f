"""What SLURM starts: one rank of one task of an array, `python -m winsweep.node FOLDER`, where FOLDER/map.json lists the specs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from winsweep.attempt import STOPPED, run
from winsweep.nursery import redirect


def main(folder: Path) -> int:
    """Run the attempt that this task's index names; if a signal stopped it, put this task (and no sibling) back into the queue, once."""
    index, rank, num_ranks = (int(os.environ[name]) for name in ("SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "SLURM_NTASKS"))
    task = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{index}"
    restart = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    spec = Path(json.loads((folder / "map.json").read_bytes())["specs"][index])
    log = spec.parent / "logs" / f"slurm-{task}.{restart}.log"
    redirect(log if rank == 0 else log.with_suffix(f".r{rank}.log"))
    code = run(spec, rank, num_ranks, f"slurm-{task}.{restart}")
    sys.stdout.flush()
    if code == STOPPED and rank == 0:
        requeue(task)
    return code


def requeue(task: str) -> None:
    """Back into the queue, unless a person cancelled the task. Always by ARRAY_TASK: one task's raw id is that of its whole array."""
    state = _say(["squeue", "-h", "-j", task, "-o", "%T"])
    print(f"{task} is {state or 'gone'}; {'asking for another turn' if state == 'RUNNING' else 'no other turn asked for'}", flush=True)
    if state == "RUNNING":
        print(_say(["scontrol", "requeue", task]), flush=True)


def _say(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"{type(e).__name__}"
    return (done.stdout + done.stderr).strip()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
