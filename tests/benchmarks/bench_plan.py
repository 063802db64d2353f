"""How long it takes to read, name and plan a study, to start a command, and to start a job: python
tests/benchmarks/bench_plan.py

Wants no SLURM. File-system calls are counted where strace is installed. CPU seconds stand beside wall seconds: on a
busy machine look at those.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))
os.environ |= {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
STUDY = """\
name: many
models: {m: {hf_id: some/model, revision: "0"}}
tasks: {%s}
seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
instructions: {from: toy}
compare: {judge: {from: alpaca, model: m}, reference: {task: t0}}
"""
ROUNDS = 3
JOBS = {  # what a rank imports before its first step, and the same without winsweep.attempt.warm
    "finetune": (
        "from winsweep.attempt import warm; warm.import_for('finetune')",
        "import winsweep.train.finetune, deepspeed.runtime.zero.muon.muon_optimizer",
    ),
    "generate": ("from winsweep.attempt import warm; warm.import_for('generate')", "import winsweep.generate.greedy"),
    "prepare": ("import winsweep.text.prepare", ""),
    "judge": ("import winsweep.judge.overlap", ""),
    "aggregate": ("import winsweep.stats.table", ""),
}
PLAN = """
import sys, time
from pathlib import Path
from winsweep.workspace import open_workspace
begun = time.perf_counter(), time.process_time()
workspace = open_workspace(Path(sys.argv[1]), Path(sys.argv[2]))
items = workspace.plan(workspace.facts())
if len(sys.argv) > 3:
    for a in workspace.order:
        (workspace.store.root / a.name).mkdir(parents=True, exist_ok=True)
print(len(workspace.judged), len(items), time.perf_counter() - begun[0], time.process_time() - begun[1])
"""


def call(*words: str) -> tuple[float, float, str]:
    """Wall and CPU seconds of a command that must succeed, and what it says."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True)
    wall_s, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def num_file_calls(*words: str) -> str:
    """File-system calls of a command; of them, those that open a file."""
    if not shutil.which("strace"):
        return "no strace"
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(
            ["strace", "-f", "-qq", "-c", "-e", "trace=%file", "-o", log.name, *words], capture_output=True, check=True
        )
        counts = {
            m[2]: int(m[1])
            for m in re.finditer(r"^\s*\S+\s+\S+\s+\S+\s+(\d+)(?:\s+\d+)? (\w+)$", log.read(), re.MULTILINE)
        }
    return f"{counts.get('total', 0):,} ({counts.get('openat', 0):,} opened)"


def plan(num_cells: int) -> None:
    """Reading, naming and planning in one process, when all is missing and when all is there."""
    with tempfile.TemporaryDirectory() as name:
        study, store = Path(name) / "study.yaml", Path(name) / "runs"
        study.write_text(
            STUDY % ", ".join(f"t{n}: {{from: toy, num_examples: {n + 1}}}" for n in range(num_cells // 10))
        )
        for what, words in (("all missing", []), ("all there", ["make"])):
            if words:
                call(sys.executable, "-c", PLAN, str(study), str(store), *words)
            told = [call(sys.executable, "-c", PLAN, str(study), str(store))[2].split() for _ in range(ROUNDS)]
            wall_s, cpu_s = (median(float(t[n]) for t in told) for n in (2, 3))
            print(f"plan, {what:12s} {told[0][0]:>6s} cells {told[0][1]:>6s} items {wall_s:7.2f} s  {cpu_s:6.2f} s CPU")


def start() -> None:
    """The commands that a person types, from the shell's side."""
    demo, python = str(ROOT / "launch/sweeps/demo.yaml"), sys.executable
    with tempfile.TemporaryDirectory() as store:
        commands = {
            "--help": ("sweep.py", "--help"),
            "--dry-run": ("sweep.py", demo, "--store", store, "--dry-run"),
            "status": ("status.py", demo, "--store", store),
        }
        called: dict[str, list] = {name: [] for name in commands}
        for _ in range(3 * ROUNDS):
            for name, (script, *words) in commands.items():
                called[name].append(call(python, str(ROOT / "launch" / script), *words)[:2])
        for name, times in called.items():
            script, *words = commands[name]
            print(
                f"start, {name:10s} {median(t[0] for t in times):6.3f} s  {median(t[1] for t in times):6.3f} s CPU  "
                f"file-system calls "
                f"{num_file_calls(python, str(ROOT / 'launch' / script), *words)}"
            )


def jobs() -> None:
    """What a job imports: interleaved with the plain imports of the same modules."""
    for stage, codes in JOBS.items():
        called: dict[str, list] = {code: [] for code in codes if code}
        for _ in range(ROUNDS):
            for code in called:
                called[code].append(call(sys.executable, "-c", code)[:2])
        for code, times in called.items():
            how = "as it is" if code == codes[0] else "plainly"
            print(
                f"imports, {stage:9s} {how:8s} {median(t[0] for t in times):6.2f} s  "
                f"{median(t[1] for t in times):5.2f} s CPU  file-system calls "
                f"{num_file_calls(sys.executable, '-c', code)}"
            )


if __name__ == "__main__":
    start()
    plan(1_000)
    plan(10_000)
    jobs()
