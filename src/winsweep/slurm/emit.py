"""What a tick would submit, as files for people who read before they run: a script for each array, and a submit.sh that calls sbatch."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from winsweep.attempt import arrays
from winsweep.errors import BadStudy
from winsweep.house import House
from winsweep.placement import Cluster
from winsweep.slurm import slurm, word
from winsweep.slurm.chain import Array
from winsweep.slurm.freeze import freeze
from winsweep.slurm.reconcile import Lock, closing_array, excluded, look, open_array, open_closing, planned, running_jobs, table_is_missing

HEAD = r"""#!/usr/bin/env bash
# The study {study}: {num_tasks} tasks in {num_arrays} job arrays, then a closing job, as launch/sweep.py would submit them.
# A script beside this file is an array; the folder named after it says which results its tasks make (map.json).
# Once submitted, launch/status.py and launch/sweep.py know these jobs. After a refusal run this again: what was accepted is not repeated.
set -euo pipefail
here=$(cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")" && pwd)
# Nothing of a job that this shell may be in.
for name in $(compgen -e | grep -E '^({scrubbed})' | grep -vx SLURM_CONF || true); do unset "$name"; done

# submit SCRIPT FOLDER DEPENDENCY: one sbatch. Prints the job id, and notes it in FOLDER.
submit() {{
    local job
    if [ -s "$2/job.json" ]; then
        job=$(tr -cd 0-9 < "$2/job.json")
        echo "job $job: $1 (submitted before)" >&2
    else
        job=$(sbatch --parsable ${{3:+"--dependency=$3"}} "$here/$1") || return 1
        job=${{job%%;*}}
        printf '{{"job": "%s"}}' "$job" > "$2/job.json.new"
        mv -- "$2/job.json.new" "$2/job.json"
        rm -f -- "$2/over"  # from now on it is looked for in the queue
        echo "job $job: $1${{3:+ $3}}" >&2
    fi
    echo "$job"
}}
"""


@dataclass(frozen=True)
class Step:
    """One call of sbatch: its script's name, the folder of the array in the store, what it waits for ("$job_0" is the first step's id)."""

    array: Array
    script: str
    folder: Path
    dependency: str


def emit(house: House, cluster: Cluster, out: Path) -> list[Step]:
    """Write what a tick would submit to the new or empty directory `out`, and submit nothing; no files if nothing is missing."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadStudy(f"--emit {out}: found something there; a new or empty directory is legal; name another, or remove it")
    with Lock(house):
        seen = look(house)
        todo = planned(house, seen.items, cluster)
        if not todo and (seen.queued or not table_is_missing(house, seen.items)):
            return []
        out.mkdir(parents=True, exist_ok=True)
        steps: list[Step] = []
        exclude, code = excluded(house), freeze(house.store.root)
        for array in todo:
            steps.append(_step(out, array, open_array(house, cluster, array, code), exclude, len(steps)))
        last = closing_array(house, cluster, [*range(len(steps)), *running_jobs(seen)])
        steps.append(_step(out, last, open_closing(house, cluster, code, word.advanced(house, None)), [], len(steps)))
        _write(out / "submit.sh", submit_text(house.study.name, steps))
        return steps


def submit_text(study: str, steps: Sequence[Step]) -> str:
    """submit.sh: one call of sbatch a step, in order, the ids of earlier ones in shell variables."""
    head = HEAD.format(study=study, num_arrays=len(steps) - 1, num_tasks=sum(len(s.array.tasks) for s in steps[:-1]),
                       scrubbed="|".join(slurm.SCRUBBED))
    return head + "".join(f'\n# {_tasks(s.array)}\njob_{n}=$(submit {s.script} {shlex.quote(str(s.folder))} "{s.dependency}")\n' for n,
                          s in enumerate(steps))


def _step(out: Path, array: Array, opened: tuple[Path, str, str], exclude: list[str], number: int) -> Step:
    """The script of one array in `out`; its folder in the store is not looked for in the queue until submit.sh has submitted it."""
    folder, name, run = opened
    arrays.close(folder)
    script = f"{number:02d}-{array.title}.sh"
    _write(out / script, slurm.script(array, folder, run, name, "", exclude))
    return Step(array, script, folder, slurm.dependency_of(array, [f"$job_{n}" for n in range(number)]))


def _tasks(array: Array) -> str:
    """An array in words, on one line whatever the labels are: it becomes a comment."""
    shown = [task[0].label for task in array.tasks[:3]]
    more = f" and {len(array.tasks) - 3} more" if len(array.tasks) > 3 else ""
    return " ".join(f"{array.title}: {', '.join(shown)}{more}".split())


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
