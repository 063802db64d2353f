"""What the commands take on a study of 10,000 cells: python tests/benchmarks/bench_scale.py [--tasks 1000] [--seeds 10]

Wants a running cluster (`eval "$(slurm/testbed/up --max-array-size 1001)"`). Stages are short ones (short_stages.py).
First nothing is made and all of it is in the queue, then half is made, then all: those results are made by the same
attempts as SLURM's tasks make, but in one process. CPU seconds and peak memory are of the command and its children.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.benchmarks import short_stages  # noqa: E402
from tests.benchmarks.bench_submit import rpcs  # noqa: E402

CLUSTER = "kind: slurm\nall: {partition: main, time_min: 30, signal_s: 30, timeout_s: 60}\n"
NOT_OURS = ("REQUEST_STATS_INFO", "MESSAGE_NODE_REGISTRATION_STATUS", "REQUEST_PING")


class Desk:
    """A study in a folder, and commands on it, each measured."""

    def __init__(self, folder: Path, num_tasks: int, num_seeds: int, trace: bool) -> None:
        self.folder, self.trace = folder, trace and bool(shutil.which("strace"))
        self.code, self.store = folder / "code", folder / "runs"
        if not self.code.exists():
            short_stages.copy_checkout(self.code)
        (folder / "study.yaml").write_text(short_stages.study_text(num_tasks, num_seeds))
        (folder / "c.yaml").write_text(CLUSTER)

    def run(self, what: str, name: str, *words: str, code: int = 0) -> str:
        """One command on the study: a line of figures, and what it said."""
        study = [str(self.folder / "study.yaml")]
        command = [
            *(["strace", "-f", "-qq", "-c", "-o", str(self.folder / "calls")] if self.trace else []),
            *(sys.executable, str(self.code / f"launch/{name}.py"), *study, *words, "--store", str(self.store)),
        ]
        reset = subprocess.run(["sdiag", "--reset"], capture_output=True).returncode == 0
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        begun = time.perf_counter()
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_s = time.perf_counter() - begun
            out.seek(0)
            said = out.read().decode()
        assert process.returncode in (0, code), said[-3000:]
        counted = {k: v for k, v in rpcs().items() if k not in NOT_OURS} if reset else {}
        calls = f"  {num_calls(self.folder / 'calls'):,} system calls" if self.trace else ""
        print(
            f"{what:44s} {wall_s:7.2f} s  {used.ru_utime + used.ru_stime:7.2f} s CPU  {used.ru_maxrss >> 10:5d} MB"
            f"{calls}  {counted}",
            flush=True,
        )
        return said


def num_calls(log: Path) -> int:
    return int(re.findall(r"(\d+)(?:\s+\d+)? total", log.read_text())[-1])


def look(desk: Desk, when: str) -> None:
    """What a person asks."""
    desk.run(f"{when}: sweep --dry-run", "sweep", "--dry-run")
    desk.run(f"{when}: status", "status")
    desk.run(f"{when}: status --json", "status", "--json")
    desk.run(f"{when}: status --why", "status", "--why", "m.t7.s3")
    desk.run(f"{when}: logs", "logs", "m.t7.s3", code=2)


def queued(desk: Desk) -> None:
    """Nothing is made, and nothing starts."""
    subprocess.run(["scontrol", "update", "partition=main", "state=down"], check=True)
    try:
        sweep = ("sweep", "--cluster", str(desk.folder / "c.yaml"))
        said = desk.run("nothing made: first submission", *sweep)
        print(f"    {len(re.findall(r'job [0-9]+', said))} jobs named")
        desk.run("all in the queue: submission again", *sweep)
        look(desk, "all in the queue")
        desk.run("all in the queue: --cancel", *sweep, "--cancel")
    finally:
        subprocess.run(["scancel", "--me"], check=True)
        subprocess.run(["scontrol", "update", "partition=main", "state=up"], check=True)


def whole(desk: Desk) -> None:
    """All is made; the table first."""
    desk.run("all made: sweep, which makes the table", "sweep")
    desk.run("all made: sweep again", "sweep")
    look(desk, "all made")
    desk.run("all made: report", "report")
    desk.run("all made: prune", "prune", "--yes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trace", action="store_true", help="count system calls, which slows all down")
    parser.add_argument("--folder", type=Path, help="to keep, and to go on with (default: a temporary one)")
    parser.add_argument("--only", default="queued,half,whole")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = a.folder or Path(name)
        folder.mkdir(exist_ok=True)
        desk = Desk(folder, a.tasks, a.seeds, a.trace)
        words = desk.code, folder / "study.yaml", desk.store, folder / "c.yaml"
        if "queued" in a.only:
            queued(desk)
        if "half" in a.only:
            print(short_stages.make_results(*words, share=0.5), end="", flush=True)
            look(desk, "half made")
        if "whole" in a.only:
            print(short_stages.make_results(*words), end="", flush=True)
            whole(desk)


if __name__ == "__main__":
    main()
