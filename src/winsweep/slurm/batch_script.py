"""The batch script of a job array: what it says to SLURM, and the command of its ranks. submitit words it.

Its pickles, signal handlers, job tracking and its own call of sbatch are not used, because the payload is a module and
a path (see docs/decisions.md).
"""

import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from submitit.slurm.slurm import _make_sbatch_string

from winsweep import ownership
from winsweep.errors import BadStudy
from winsweep.placement import Placement
from winsweep.quoting import quoted
from winsweep.slurm import task_script
from winsweep.slurm.chain import Array
from winsweep.store import folders
from winsweep.store.manifest import write_atomic

PLACE = "/@"  # stands for the folder in submitit's text, which knows nothing of SLURM's patterns


def parameters(array: Array, name: str, dependency: str, exclude: list[str]) -> dict[str, object]:
    """sbatch's options for one array, by submitit's names."""
    placed = array.placement
    more = {option: value or True for option, value in placed.sbatch if option != "exclude"}
    exclude = [*(value for option, value in placed.sbatch if option == "exclude"), *exclude]
    # where the leader goes on alone, the others have ended
    wait_s = 60 * placed.time_min if any(len(task) > 1 for task in array.tasks) else 30
    asked = {
        "job_name": name,
        "time": placed.time_min,
        "nodes": placed.nodes,
        "ntasks_per_node": placed.ranks // placed.nodes,
        "cpus_per_task": placed.threads,
        "mem": placed.mem_gb and f"{placed.mem_gb}G",
        "partition": placed.partition,
        "account": placed.account,
        "qos": placed.qos,
        "constraint": placed.constraint,
        "exclude": ",".join(exclude) or None,
        "dependency": dependency or None,
        "signal_delay_s": placed.signal_s,
    }
    begin = {"begin": f"now+{array.begin_s}"} if array.begin_s else {}
    tasks = f"{ranges(array.indices)}%{min(len(array.tasks), placed.throttle)}"
    return {k: v for k, v in asked.items() if v is not None} | {
        "additional_parameters": {
            **more,
            **_with_gres(gpus(placed), more),
            **begin,
            "array": tasks,
            "requeue": True,
            "kill-on-invalid-dep": "yes",
        },
        "setup": list(placed.setup) if task_script.is_in_batch_script(placed) else None,
        "stderr_to_stdout": True,
        "wckey": None,  # submitit's own, which accounting refuses where wckeys are checked
        # SLURM 22.05 to 23.02 do not hand --cpus-per-task on from sbatch to srun
        "srun_args": [
            f"--cpus-per-task={placed.threads}",
            "--kill-on-bad-exit=1",
            f"--wait={wait_s}",
            *task_script.pyxis(placed),
            *placed.srun,
        ],
    }


def gpus(placed: Placement) -> dict[str, str]:
    """sbatch's option that asks for the GPUs of a placement, as `gpus_by` says; none where there are none."""
    if not placed.gpus_per_rank:
        return {}
    kind, num = f"{placed.gpu_type}:" if placed.gpu_type else "", placed.gpus // placed.nodes
    if placed.gpus_by == "gpus-per-task":
        return {"gpus-per-task": f"{kind}{placed.gpus_per_rank}"}
    return {"gres": f"gpu:{kind}{num}"} if placed.gpus_by == "gres" else {"gpus-per-node": f"{kind}{num}"}


def _with_gres(asked: dict[str, str], more: Mapping[str, str | bool]) -> dict[str, str]:
    """The option for GPUs, with the other generic resources that a cluster file asks for by the same one."""
    return {option: f"{value},{more[option]}" if option in more else value for option, value in asked.items()}


def ranges(indices: Sequence[int]) -> str:
    """Rising indices as sbatch reads them: 0-2,5."""
    runs = [[n for _, n in of] for _, of in groupby(enumerate(indices), key=lambda at: at[1] - at[0])]
    return ",".join(f"{of[0]}-{of[-1]}" if of[1:] or of == [0] else str(of[0]) for of in runs)


def command(placed: Placement, code: Path, module: str, folder: Path) -> str:
    """The shell command with which a rank of `placed` runs `module FOLDER` of the code snapshot `code`, every word
    quoted.

    Where the cluster file asks for more than that, it starts a script in `folder`, which this writes. BadStudy for a
    setup line that bash cannot read.
    """
    run = task_script.module(placed, code, module, [folder])
    if not task_script.is_needed(placed):
        return shlex.join(run)
    check_lines(placed.setup)
    text, path = task_script.text(placed, folder, run), folder / task_script.SCRIPT
    folders.make(folder)
    write_atomic(path, text.encode(), is_own=True)
    if not ownership.is_private(path):  # what runs is beside the code, where only this user writes
        write_atomic(path := code.with_name(f"{folder.name}.sh"), text.encode(), is_own=True)
    return shlex.join(["bash", str(path)])


def check_lines(setup: Iterable[str]) -> None:
    """BadStudy for a setup line that is no whole command of bash."""
    for line in setup:
        _check_shell(line)


def _check_shell(line: str) -> None:
    for text in (line, f"{{\n{line}\n}}\n"):  # as it is meant, and as it runs: what goes on in the next line ends there
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, errors="replace", timeout=20)
        if said := done.stderr.strip().replace("bash: ", ""):  # also a warning: of a here-document without its end
            raise BadStudy(f"setup: found {quoted(line)}; each line must be a whole command of bash; {said}")


def script(array: Array, folder: Path, run: str, name: str, dependency: str, exclude: list[str]) -> str:
    """The batch script of an array, as it is submitted; its logs lie in `folder`, whatever characters that has."""
    # submitit's executor would word it alike, but is made only where SLURM is installed
    asked: dict[str, Any] = parameters(array, name, dependency, exclude)
    text = _make_sbatch_string(command=run, folder=PLACE, map_count=len(array.tasks), **asked)
    batch, step = f"{PLACE}/%A_%a_0_log.out", f"{PLACE}/%A_%a_%t_log.out"
    if "\\" not in str(folder):
        plain = str(folder).replace("%", "%%")
        return text.replace(batch, shlex.quote(batch.replace(PLACE, plain))).replace(
            step, shlex.quote(step.replace(PLACE, plain))
        )
    # A backslash switches SLURM's patterns off, and how often it must be doubled differs: there the shell opens the
    # log.
    log = f'{shlex.quote(f"{folder}/")}"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}_0_log.out"'
    return (
        text.replace(batch, "/dev/null")
        .replace(f" --output {step}", "")
        .replace("# command\n", f"# command\nexec >> {log} 2>&1\n")
    )
