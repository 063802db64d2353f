"""Planning and submitting 1,000 cells on a real SLURM, with the RPCs that slurmctld counted: python
tests/benchmarks/bench_submit.py

Wants a running cluster (`eval "$(slurm/testbed/up)"`). Nothing is waited for: the arrays are cancelled at the end.
Beside it what submitit itself needs for one stage of as many cells, as one array and one by one, and exca, a sweep
manager (`--peers 200` for fewer, 0 for none).
"""

import argparse
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))
STUDY = """\
name: thousand
models: {m: {hf_id: some/model, revision: "0"}}
tasks: {%s}
seeds: [%s]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: t0}}
"""
CLUSTER = "kind: slurm\nall: {partition: main, time_min: 10}\n"


def rpcs() -> dict[str, int]:
    """RPC type to count, as slurmctld has it since its statistics were reset."""
    return count(subprocess.run(["sdiag"], capture_output=True, text=True, check=True).stdout)


def count(text: str) -> dict[str, int]:
    """The same from what sdiag says."""
    by_type = text.split("by message type")[1].split("by user")[0]
    return {name: int(num) for name, num in re.findall(r"^\s+(\w+)\s+\(\s*\d+\) count:(\d+)", by_type, re.MULTILINE)}


def sweep(folder: Path, *words: str) -> tuple[float, str]:
    """Wall seconds and output of one call of the launcher."""
    begun = time.perf_counter()
    command = [
        sys.executable,
        str(ROOT / "launch/sweep.py"),
        str(folder / "study.yaml"),
        "--store",
        str(folder / "runs"),
        "--cluster",
        str(folder / "c.yaml"),
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    return time.perf_counter() - begun, done.stdout + done.stderr


def finish(folder: Path) -> None:
    """Publish every wanted result, empty: a plan looks at no more than names."""
    from winsweep.workspace import open_workspace

    workspace = open_workspace(folder / "study.yaml", folder / "runs")
    for a in workspace.order:
        (workspace.store.root / a.name).mkdir(parents=True, exist_ok=True)
    (workspace.store.root / workspace.wanted[0].name / "results.csv").write_text("model,task,seed\n")


def step(folder: Path, what: str, num_tasks: int, num_seeds: int) -> None:
    tasks = ", ".join(f"t{n}: {{from: toy, num_examples: {n + 1}}}" for n in range(num_tasks))
    (folder / "study.yaml").write_text(STUDY % (tasks, ", ".join(map(str, range(num_seeds)))))
    subprocess.run(["sdiag", "--reset"], check=True, capture_output=True)
    seconds, said = sweep(folder)
    tell(what, num_tasks * num_seeds, seconds, said.count("job "))


def tell(what: str, num_cells: int, seconds: float, num_sbatch: int) -> None:
    counted = {
        k: v
        for k, v in rpcs().items()
        if k not in ("REQUEST_STATS_INFO", "MESSAGE_NODE_REGISTRATION_STATUS", "REQUEST_PING")
    }
    own = sum(v for k, v in counted.items() if "SUBMIT" in k or "JOB_INFO" in k or "BUILD_INFO" in k)
    print(
        f"{what:34s} {num_cells:6d} cells {seconds:7.2f} s  {num_sbatch:4d} sbatch  {own:4d} RPCs of ours  {counted}",
        flush=True,
    )


def peers(folder: Path, num_cells: int) -> None:
    """submitit alone, for one stage: what a script without winsweep would do."""
    import submitit

    cells = list(range(num_cells))
    for what, submit in (
        ("submitit map_array, one stage", lambda e: len(e.map_array(abs, cells)) and 1),
        ("submitit one by one, one stage", lambda e: len([e.submit(abs, n) for n in cells])),
    ):
        executor = submitit.SlurmExecutor(folder / what.replace(" ", "_"))
        executor.update_parameters(partition="main", time=10)
        subprocess.run(["sdiag", "--reset"], check=True, capture_output=True)
        begun = time.perf_counter()
        num_sbatch = submit(executor)
        tell(what, num_cells, time.perf_counter() - begun, num_sbatch)
        subprocess.run(["scancel", "--me"], check=True)


def manager(folder: Path, num_cells: int) -> None:
    """exca for one stage, and again while all of it is in the queue; left out where it is not installed (`pip install
    exca==0.6.0`).
    """
    try:
        import exca
    except ModuleNotFoundError:
        print("exca is not installed")
        return
    import pydantic

    (folder / "bin").mkdir()
    for name in ("sbatch", "squeue", "sacct", "scontrol"):  # exca hides SLURM's variables, and SLURM_CONF with them
        wrapper = folder / "bin" / name
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF={shlex.quote(os.environ["SLURM_CONF"])} exec {shutil.which(name)} "$@"\n'
        )
        wrapper.chmod(0o755)
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    class Cell(pydantic.BaseModel):
        n: int
        infra: exca.TaskInfra = exca.TaskInfra(version="1")

        @infra.apply
        def run(self) -> int:
            return abs(self.n)

    logging.disable()  # submitit says for each cell that there is no sacct
    for what, num_sbatch in (("exca job_array, one stage", 1), ("exca again, all of it in the queue", 0)):
        cell = Cell(
            n=-1,
            infra={"folder": str(folder / "exca"), "cluster": "slurm", "slurm_partition": "main", "timeout_min": 10},
        )
        subprocess.run(["sdiag", "--reset"], check=True, capture_output=True)
        begun = time.perf_counter()
        with cell.infra.job_array(max_workers=num_cells) as cells:
            cells.extend(cell.infra.clone_obj({"n": n}) for n in range(num_cells))
        tell(what, num_cells, time.perf_counter() - begun, num_sbatch)
    subprocess.run(["scancel", "--me"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peers", type=int, default=1000, metavar="N", help="cells that submitit submits by itself (default: 1000)"
    )
    num_peers = parser.parse_args().peers
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.yaml").write_text(CLUSTER)
        # so that nothing starts meanwhile
        subprocess.run(["scontrol", "update", "partition=main", "state=down"], check=True)
        try:
            step(folder, "first submission", 100, 10)
            step(folder, "again, all of it in the queue", 100, 10)
            step(folder, "one seed more", 100, 11)
            subprocess.run(["scancel", "--me"], check=True)
            finish(folder)
            step(folder, "again, nothing missing", 100, 11)
            if num_peers:
                peers(folder, num_peers)
                manager(folder, num_peers)
        finally:
            subprocess.run(["scancel", "--me"], check=True)
            subprocess.run(["scontrol", "update", "partition=main", "state=up"], check=True)


if __name__ == "__main__":
    main()
