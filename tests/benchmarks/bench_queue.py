"""A study of 10,000 cells whose tasks all run on a real SLURM, their stages short: python
tests/benchmarks/bench_queue.py FOLDER

Wants a running cluster (`eval "$(slurm/testbed/up --max-array-size 1001)"`). A cell is one task of SLURM: finetune,
model, answers and judgement. FOLDER/log.jsonl gets a line each half minute: what is judged and left in the queue, RPCs,
CPU and memory of slurmctld and of a finalizer, `status` each ten minutes. The same command goes on where it was
stopped, and tells at the end whether everything is there, each result made by one attempt, and whether a second run
submits nothing.

`--cpuacct PATH` names a cgroup (v1) in which the cluster's daemons were put, whose CPU is then told too.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import short_stages
from tests.benchmarks.bench_submit import rpcs

CLUSTER = """\
kind: slurm
all: {partition: main, time_min: 60, signal_s: 30, timeout_s: 600}
stages: {collect: {where: with_input}, generate: {where: with_input}, judge: {where: with_input}}
"""
STAGES = ("finetune", "collect", "generate", "judge")
CLOCK = "SC_CLK_TCK"
LOOK_S, STATUS_S, FINALIZER_S = 30.0, 600.0, 2.0


def prepare(folder: Path, num_tasks: int, num_seeds: int) -> None:
    """The code, the study and the cluster file; nothing where they are there."""
    if (folder / "c.yaml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    short_stages.copy_checkout(folder / "code")
    short_stages.write_apart(folder, num_tasks, num_seeds)
    (folder / "c.yaml").write_text(CLUSTER)


def typed(folder: Path, name: str, *words: str) -> dict[str, object]:
    """What a command said, its CPU and wall seconds, and its memory in MB."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, f"code/launch/{name}.py", "study.yaml", "--store", "runs", *words]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = process.stdout.read()
    _, code, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    cpu = round(used.ru_utime + used.ru_stime, 2)
    return {"cpu_s": cpu, "mb": used.ru_maxrss >> 10, "s": round(time.monotonic() - begun, 1), "said": said}


def processes(word: bytes, within: str) -> dict[str, dict[str, float]]:
    """CPU seconds and memory of the processes whose command has `word` and `within`."""
    found = {}
    for at in Path("/proc").glob("[0-9]*"):
        try:
            words = (at / "cmdline").read_bytes().split(b"\0")
            if (word not in words and not words[0].endswith(word)) or within.encode() not in b" ".join(words):
                continue
            spent = (at / "stat").read_text().rpartition(")")[2].split()
            memory = dict(re.findall(r"(VmHWM|VmRSS):\s+(\d+)", (at / "status").read_text()))
        except OSError:
            continue
        cpu = (int(spent[11]) + int(spent[12])) / os.sysconf(CLOCK)
        found[at.name] = {"cpu_s": cpu, "mb": int(memory["VmRSS"]) >> 10, "peak_mb": int(memory["VmHWM"]) >> 10}
    return found


def follow(folder: Path, groups: list[Path]) -> Iterator[dict[str, object]]:
    """A look at the queue each half minute until it is empty, more often while a finalizer runs."""
    store, next_status = folder / "runs", time.monotonic() + STATUS_S
    conf = str(Path(os.environ["SLURM_CONF"]).parent)
    while True:
        left = subprocess.run(["squeue", "-h", "-r", "-o", "%T"], capture_output=True, text=True).stdout.split()
        row = {
            "at": time.strftime("%H:%M:%S"),
            "judged": len(list((store / "judge").glob("*"))),
            "queue": Counter(left),
        }
        row |= {"rpcs": rpcs(), "load": os.getloadavg()[0], "slurmctld": processes(b"slurmctld", conf)}
        row["finalizer"] = processes(b"winsweep.slurm.finalizer", str(store))
        row["cpu_s"] = {g.name: int((g / "cpuacct.usage").read_text()) / 1e9 for g in groups}
        if time.monotonic() > next_status:
            told = typed(folder, "status")
            row["status"], next_status = told | {"said": told["said"][-200:]}, time.monotonic() + STATUS_S
        yield row
        if not left:
            return
        time.sleep(FINALIZER_S if row["finalizer"] else LOOK_S)


def whole(folder: Path, num_cells: int) -> list[str]:
    """What is not as it should be at the end."""
    store, wrong = folder / "runs", []
    with open(store / "results/apart.csv", encoding="utf-8", newline="") as file:
        rows = Counter(row["seed"] == "mean" for row in csv.DictReader(file))
    if rows[False] != num_cells:
        wrong.append(f"{rows[False]} rows of cells in the table, not {num_cells}")
    for stage in STAGES:
        attempts = Counter(len(list(p.iterdir())) for p in store.glob(f".work/{stage}/*/claims"))
        if attempts != {1: num_cells}:
            wrong.append(f"{stage}: results by the number of their attempts: {dict(attempts)}")
    if not (store / "results/apart.html").is_file():
        wrong.append("no report")
    subprocess.run(["sdiag", "--reset"], check=True, capture_output=True)
    again = typed(folder, "sweep", "--cluster", "c.yaml")
    if "0 arrays submitted" not in again["said"] or "REQUEST_SUBMIT_BATCH_JOB" in rpcs():
        wrong.append(f"a second run: {again['said']}")
    return wrong


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path)
    p.add_argument("--cells", metavar="TASKSxSEEDS", default="100x100")
    p.add_argument("--cpuacct", metavar="PATH", type=Path, action="append", default=[])
    a = p.parse_args()
    num_tasks, num_seeds = map(int, a.cells.split("x"))
    prepare(a.folder, num_tasks, num_seeds)
    begun = typed(a.folder, "sweep", "--cluster", "c.yaml")
    print(json.dumps(begun | {"said": begun["said"][-1000:]}), flush=True)
    with open(a.folder / "log.jsonl", "a", encoding="utf-8") as log:
        for row in follow(a.folder, a.cpuacct):
            print(json.dumps(row), file=log, flush=True)
    wrong = whole(a.folder, num_tasks * num_seeds)
    print(
        "\n".join(wrong) or f"{a.cells} cells are whole, each result made by one attempt; a second run submits nothing"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
