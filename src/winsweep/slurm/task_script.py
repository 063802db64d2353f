"""The shell script of a rank: the variables, setup lines, interpreter and container of its node, and then the rank.

What fails before the rank has begun is noted beside the script (arrays.failure reads it), so that its task fails once,
with that reason.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from winsweep.node_environment import Container
from winsweep.placement import Placement

SCRIPT = "task.sh"
BEGUN = "begun"
SHOWN = 600  # characters of what a failed line printed
HEAD = """\
#!/bin/bash
# One rank of a task, as the cluster file has it placed. What fails here is noted in $ws_folder/failed.
ws_folder={folder}
ws_id="$SLURM_ARRAY_TASK_ID.${{SLURM_PROCID:-0}}"
ws_said=$(mktemp)
trap : TERM USR2  # of a preemption and a time limit: they are the rank's, which ends by itself
ws_note() {{
    ws_code=$?
    PATH=${{PATH-}}:/usr/bin:/bin  # whatever a setup line has made of it
    cat "$ws_said" >&2
    [ ! -e "$ws_folder/begun/$ws_id" ] || ws_at=
    if [ -n "$ws_at" ]; then
        mkdir -p "$ws_folder/failed"
        printf '%s ended with %s: %s' "$ws_at" "$ws_code" "$(tail -c {shown} "$ws_said")" \\
            >| "$ws_folder/failed/.$ws_id"
        mv -n "$ws_folder/failed/.$ws_id" "$ws_folder/failed/${{ws_id%.*}}"
    fi
    rm -f "$ws_said" "$ws_folder/begun/$ws_id"
    exit "$ws_code"
}}
trap ws_note EXIT
"""
LINE = """\
ws_at={what}
{{
{line}
}} >| "$ws_said" 2>&1 || exit
cat "$ws_said"
: >| "$ws_said"
"""
RANK = """\
ws_at={what}
{run} 2>| "$ws_said"
"""


def is_needed(placed: Placement) -> bool:
    """Whether a rank of this placement starts with a script, and not with the launcher's own Python at once."""
    return bool(placed.setup or placed.env or placed.python or placed.container)


def outside(placed: Placement) -> Placement:
    """The placement of a job that calls sbatch and squeue: that of its stage, outside of the container."""
    return replace(placed, container=None, srun=())


def module(placed: Placement, code: Path, name: str, words: Sequence[object]) -> list[str]:
    """The words that run a module of the code snapshot `code` by the interpreter of `placed`, which takes no file of
    the current folder for a module.
    """
    python = placed.python or ("python3" if placed.container else sys.executable)
    return ["env", f"PYTHONPATH={code / 'src'}", "PYTHONSAFEPATH=1", python, "-m", name, *map(str, words)]


def text(placed: Placement, folder: Path, run: Sequence[str]) -> str:
    """The script that runs `run` in the environment of `placed`."""
    parts = [HEAD.format(folder=shlex.quote(str(folder)), shown=SHOWN)]
    parts += [f"export {name}={shlex.quote(value)}\n" for name, value in placed.env]
    if not is_in_batch_script(placed):
        parts += lines(placed.setup)
    inside = [*apptainer(placed), *run]
    where = f" in {placed.container.image}" if placed.container else ""
    what = f"{run[3]} -m {run[5]}{where}, which did not begin,"
    return "".join([*parts, RANK.format(what=shlex.quote(what), run=" ".join(map(shlex.quote, inside)))])


def lines(setup: Sequence[str]) -> list[str]:
    """The setup lines, each run in the script's own shell, its output kept."""
    told = [(f"setup line {n}, `{' '.join(line.split())}`,", line) for n, line in enumerate(setup, 1)]
    return [LINE.format(what=shlex.quote(what), line=line) for what, line in told]


def is_in_batch_script(placed: Placement) -> bool:
    """Whether setup lines run before srun, in the batch script: srun starts pyxis's container by itself."""
    return _in(placed, "pyxis") is not None


def apptainer(placed: Placement) -> list[str]:
    """The command that starts a rank in an image; nothing where there is none, or where srun does it."""
    if (container := _in(placed, "apptainer")) is None:
        return []
    gpus = ["--nv"] if placed.gpus_per_rank else []
    binds = [f"--bind={bind}" for bind in container.mounts]
    return ["apptainer", "exec", *gpus, *binds, *container.args, container.image]


def pyxis(placed: Placement) -> list[str]:
    """srun's options for a container that pyxis starts; nothing where there is none."""
    if (container := _in(placed, "pyxis")) is None:
        return []
    binds = [bind if ":" in bind else f"{bind}:{bind}" for bind in container.mounts]
    mounts = [f"--container-mounts={','.join(binds)}"] if binds else []
    return [f"--container-image={container.image}", *mounts, *container.args]


def _in(placed: Placement, runtime: str) -> Container | None:
    return placed.container if placed.container and placed.container.runtime == runtime else None


def mark_begun(folder: Path) -> None:
    """Said by a rank that runs: what ends it from now on is its own to tell. Nothing where it was started without a
    script.
    """
    if (folder / SCRIPT).exists():
        (folder / BEGUN).mkdir(exist_ok=True)
        (folder / BEGUN / f"{os.environ['SLURM_ARRAY_TASK_ID']}.{os.environ.get('SLURM_PROCID', '0')}").touch()
