"""What a look would submit, as files for people who read before they run: a script for each array, and a submit.sh that
calls sbatch.
"""

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from winsweep.attempt import arrays
from winsweep.command_names import as_typed
from winsweep.errors import BadStudy
from winsweep.placement import Cluster
from winsweep.slurm import batch_script, halt, held, sbatch, task_script, watchdog
from winsweep.slurm.array_folders import (
    BEGIN_S,
    excluded,
    finalizer_array,
    finalizer_request,
    open_array,
    open_finalizer,
    running_jobs,
)
from winsweep.slurm.chain import Array
from winsweep.slurm.code_snapshot import take_snapshot
from winsweep.slurm.pending_finalizers import FINALIZER
from winsweep.slurm.reconcile import Lock, look, planned, table_is_missing
from winsweep.workspace import Workspace

HEAD = r"""#!/usr/bin/env bash
# The study {study}: {num_tasks} tasks in {num_arrays} job arrays, then a finalizer, as launch/sweep.py would submit
# them.
# A script beside this file is an array; the folder named after it says which results its tasks make (map.json).
# The finalizer is submitted first. It begins when the others are over, or else in {begin_s} s, and submits what SLURM
# did not take here.
# Once submitted, launch/status.py and launch/sweep.py know these jobs.
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
        job=$(grep -xE '[0-9]+(;.*)?' <<< "$job" | tail -n 1)
        job=${{job%%;*}}
        [ -n "$job" ] || {{ echo "sbatch printed no job id for $1" >&2; return 1; }}
        printf '{{"job": "%s"}}' "$job" > "$2/job.json.new"
        chmod go-w -- "$2/job.json.new"
        mv -- "$2/job.json.new" "$2/job.json"
        rm -f -- "$2/over"  # from now on it is looked for in the queue
        echo "job $job: $1${{3:+ $3}}" >&2
    fi
    echo "$job"
}}

# release: the finalizer waits for what was accepted; if all was, for all of it, else for the first that is over.
release() {{
    local failed=$? words
    if [ "$failed" = 0 ]; then words=${{accepted//\?/,}}; else words=$accepted; fi
    # without one it begins by itself
    if [ -n "$words" ]; then scontrol update "JobId=$finalizer" StartTime=now "Dependency=${{words:1}}" || true; fi
    if [ "$failed" != 0 ]; then echo "not all was accepted; finalizer $finalizer submits the rest" >&2; fi
}}
"""
OVER = "finalizer $finalizer has begun, which submits what is missing; see launch/status.py"


@dataclass(frozen=True)
class Step:
    """One call of sbatch: its script's name, the folder of the array in the store, what it waits for ("${job_0}" is the
    first step's id).
    """

    array: Array
    script: str
    folder: Path
    dependency: str


def emit(workspace: Workspace, cluster: Cluster, out: Path) -> list[Step]:
    """Write what a look would submit to the new or empty directory `out`, and submit nothing; no files if nothing is
    missing.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadStudy(
            f"--emit {out}: found something there; a new or empty directory is legal; name another, or remove it"
        )
    with Lock(workspace):
        seen = look(workspace)
        todo = planned(workspace, seen.items, cluster)
        if not todo and (seen.queued or not table_is_missing(workspace, seen.items)):
            return []
        _make(out)
        steps: list[Step] = []
        exclude, code = excluded(workspace), take_snapshot(workspace.store.root)
        for array in todo:
            steps.append(_step(out, array, open_array(workspace, cluster, array, code), exclude, len(steps)))
        last = finalizer_array(workspace, cluster, [*range(len(steps)), *running_jobs(workspace, seen.tasks)])
        told = finalizer_request(workspace, cluster, code, halt.advanced(workspace, None))
        steps.append(_step(out, last, open_finalizer(workspace, last, told, code), [], len(steps)))
        if not watchdog.watchdogs(seen.tasks):
            watch = watchdog.array_of(last.placement, held.FIRST_S)
            steps.append(_step(out, watch, watchdog.opened(workspace.store.root, last.placement, code), [], len(steps)))
        _write(out / "submit.sh", submit_text(workspace.study.name, steps))
        return steps


def submit_text(study: str, steps: Sequence[Step]) -> str:
    """submit.sh: one call of sbatch a step, the finalizer first, then in order, the ids of earlier ones in shell
    variables.
    """
    (last,) = (s for s in steps if s.array.stage == FINALIZER)
    others = [s for s in steps if s.array.stage not in (FINALIZER, watchdog.WATCHDOG)]
    head = as_typed(HEAD).format(
        study=study,
        num_arrays=len(others),
        num_tasks=sum(len(s.array.tasks) for s in others),
        scrubbed="|".join(sbatch.SCRUBBED),
        begin_s=BEGIN_S,
    )
    over = as_typed(OVER)
    accepted = "".join(f"?afterany:{x.on}" for x in last.array.after if isinstance(x.on, str))
    text = [
        head,
        (
            f"\n# {_tasks(last.array)}\nfinalizer={_call(last)}\n"
            f"""scontrol update "JobId=$finalizer" StartTime=now+{BEGIN_S} || {{ echo "{over}" >&2; exit 1; }}\n"""
            f'accepted="{accepted}"\ntrap release EXIT\n'
        ),
    ]
    text += [
        f'\n# {_tasks(s.array)}\njob_{n}={_call(s)}\naccepted+="?afterany:${{job_{n}}}"\n' for n, s in enumerate(others)
    ]
    text += [
        f"\n# {_tasks(s.array)}, if there is room for it\nwatch={_call(s)} || true\n"
        for s in steps
        if s.array.stage == watchdog.WATCHDOG
    ]
    return "".join(text)


def _call(s: Step) -> str:
    return (
        f"$(submit {shlex.quote(s.script)} {shlex.quote(str(s.folder))} "
        f'"{s.dependency if s.array.stage not in (FINALIZER, watchdog.WATCHDOG) else ""}")'
    )


def _step(out: Path, array: Array, opened: tuple[Path, str, str], exclude: list[str], number: int) -> Step:
    """The script of one array in `out`; its folder in the store is not looked for in the queue until submit.sh has
    submitted it.
    """
    folder, name, run = opened
    arrays.close(folder)
    script = f"{number:02d}-{array.title}.sh"
    _write(out / script, batch_script.script(array, folder, run, name, "", exclude))
    if (rank := folder / task_script.SCRIPT).exists():  # a copy to read: what runs is the one in the store
        shutil.copy(rank, out / f"{number:02d}-{array.title}.{task_script.SCRIPT}")
    return Step(array, script, folder, sbatch.dependency_of(array, [f"${{job_{n}}}" for n in range(number)]))


def _tasks(array: Array) -> str:
    """An array in words, on one line whatever the labels are: it becomes a comment."""
    shown = [task[0].label for task in array.tasks[:3]]
    more = f" and {len(array.tasks) - 3} more" if len(array.tasks) > 3 else ""
    return " ".join(f"{array.title}: {', '.join(shown)}{more}".split())


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _make(out: Path) -> None:
    """The folder with those above it; BadStudy where it cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BadStudy(
            f"--emit {out}: cannot be made: {e.strerror or e}; a directory is legal that you can write; name another"
        ) from None
