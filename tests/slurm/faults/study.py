"""A small study on the testbed, its attempts as processes that can be hurt, and what is left of it when it is
through.
"""

import contextlib
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.slurm.conftest import Testbed, wait_for

ROOT = Path(__file__).resolve().parents[3]
STUDY = """\
name: faults
models:
  a: {{pretrain: {{num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}}
tasks:
  ins: {{from: toy, num_examples: 24}}
seeds: {seeds}
recipe: {{lr: 1.0e-3, epochs: 200, global_batch: 8, max_tokens: 128, precision: fp32}}
instructions: {{from: toy, part: dev}}
decoding: {{max_new_tokens: 8, batch: 20}}
compare: {{judge: reference_overlap, reference: {{task: ins}}}}
"""
SEEDS = [1, 2, 3, 4]
PLACED = "{ranks: 2, %s zero: zero2, checkpoint_steps: 20}"
LOCAL = f"stages: {{finetune: {PLACED % ''}}}\n"
SLURM = f"""\
kind: slurm
all: {{partition: main, time_min: 10, signal_s: 5}}
stages:
  finetune: {PLACED % "nodes: 2, gpus_per_rank: 1,"}
  generate: {{gpus_per_rank: 1}}
"""
FAST, SLOW = 1, 4  # seeds; the slow one saves after every step where it is placed so
SLOWLY = SLURM + f"labels: {{a.ins.s{SLOW}: {{finetune: {{checkpoint_steps: 1}}}}}}\n"


class Sweep:
    """One study in one folder: the launcher as a person calls it, and what its attempts and results look like from
    outside.
    """

    def __init__(self, folder: Path, seeds: list[int], cluster: str, env: dict[str, str]) -> None:
        self.folder, self.store, self.env = folder, folder / "runs", env
        folder.mkdir(exist_ok=True)
        (folder / "study.yaml").write_text(STUDY.format(seeds=seeds))
        (folder / "cluster.yaml").write_text(cluster)
        self.command = [
            sys.executable,
            str(ROOT / "launch/sweep.py"),
            str(folder / "study.yaml"),
            "--store",
            str(self.store),
            "--cluster",
            str(folder / "cluster.yaml"),
        ]

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(self.command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words: str) -> str:
        done = subprocess.run([*self.command, *words], env=self.env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def specs(self, stage: str = "finetune") -> dict[int, Path]:
        """Seed to the work directory of its artifact."""
        told = [
            spec
            for p in self.store.glob(".work/arrays/*/specs.jsonl")
            for line in p.read_text().splitlines()
            for spec in json.loads(line)
        ]
        return {
            int(s["label"].rpartition(".s")[2]): self.store / ".work" / stage / s["digest"]
            for s in told
            if s["stage"] == stage
        }

    def ends(self, seed: int) -> list[dict]:
        return [json.loads(p.read_bytes()) for p in sorted((self.specs()[seed] / "ends").glob("0*.json"))]

    def kinds(self, seed: int) -> list[str]:
        return [e["kind"] for e in self.ends(seed)]

    def progress(self, seed: int) -> int:
        try:
            return json.loads((self.specs()[seed] / "progress.json").read_bytes())["done"]
        except (FileNotFoundError, KeyError):
            return 0

    def restarts(self, seed: int) -> dict[str, int]:
        """Task to the number of its turns after the first that came to write a log."""
        turns = [p.name.split(".") for p in (self.specs()[seed] / "logs").glob("slurm-*.log") if ".r" not in p.name]
        return {task: max(int(n) for t, n, _ in turns if t == task) for task, *_ in turns}

    def results(self) -> dict[str, str]:
        """The sha256 of every model and every set of outputs, and each row of the table."""
        files = [*self.store.glob("collect/*/model.safetensors"), *self.store.glob("generate/*/outputs.json")]
        names, *table = csv.reader((self.store / "results/faults.csv").read_text().splitlines(keepends=True))
        rows = {
            f"row {row[names.index('seed')]}": json.dumps([names, row])
            for row in table
            if row[names.index("seed")] != "mean"
        }
        return {str(p.relative_to(self.store)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files} | rows

    def finished(self) -> int:
        """Artifacts with their results, each of which must have been made by exactly one attempt."""
        done = Counter(
            p.parents[1]
            for p in self.store.glob(".work/[!s]*/*/ends/0*.json")
            if json.loads(p.read_bytes())["kind"] == "done"
        )
        assert set(done.values()) == {1}, done
        return len(done)


class Attempts:
    """The processes of a study's SLURM tasks: PID to environment and words."""

    def __init__(self, testbed: Testbed, sweep: Sweep) -> None:
        self.testbed, self.sweep = testbed, sweep

    def task(self, seed: int) -> str | None:
        """ARRAY_INDEX of the running finetune of a seed."""
        return next((f"{e['SLURM_ARRAY_JOB_ID']}_{e['SLURM_ARRAY_TASK_ID']}" for e in self._ranks(seed).values()), None)

    def ranks(self, seed: int) -> list[int]:
        return list(self._ranks(seed))

    def rank(self, seed: int, rank: int) -> int:
        return next(pid for pid, e in self._ranks(seed).items() if e["SLURM_PROCID"] == str(rank))

    def node(self, seed: int, rank: int) -> str:
        return self._ranks(seed)[self.rank(seed, rank)]["SLURMD_NODENAME"]

    def signal(self, seed: int, rank: int, signum: signal.Signals) -> None:
        os.kill(self.rank(seed, rank), signum)

    def on_node(self, seed: int, node: str) -> list[int]:
        """Every process of a seed's task on a node, the daemons that would report their ends first."""
        job = next(iter(self._ranks(seed).values()))["SLURM_JOB_ID"]
        inside = [
            pid
            for pid, e in self._processes().items()
            if e.get("SLURMD_NODENAME") == node and e.get("SLURM_JOB_ID") == job
        ]
        return [*{parent(pid) for pid in inside} - {1, *inside}, *inside]

    def trains(self, seed: int, beyond: int = 0) -> bool:
        return self.sweep.progress(seed) > beyond and self.task(seed) is not None

    def at(self, stage: str) -> dict[int, str]:
        """PID of every rank at a stage (as its array is called) to ARRAY_INDEX of its task."""
        made = {pid: (env, told) for pid, env, told in self._all() if told["stage"] == stage}
        return {pid: f"{env['SLURM_ARRAY_JOB_ID']}_{env['SLURM_ARRAY_TASK_ID']}" for pid, (env, _) in made.items()}

    def _ranks(self, seed: int) -> dict[int, dict[str, str]]:
        wanted = self.sweep.specs().get(seed)
        made = [(pid, env, told["keys"][int(env["SLURM_ARRAY_TASK_ID"])]) for pid, env, told in self._all()]
        return {pid: env for pid, env, keys in made if wanted in [self.sweep.store / ".work" / key for key in keys]}

    def _all(self) -> list[tuple[int, dict[str, str], dict]]:
        """Each rank with its environment and what was written down of its array."""
        found = []
        for pid, env in self._processes().items():
            folder = Path(env["words"].split()[-1])
            if (
                "-m winsweep.slurm.node" in env["words"]
                and "srun" not in env["words"].split()[0]
                and self.sweep.store in folder.parents
            ):
                found.append((pid, env, json.loads((folder / "map.json").read_bytes())))
        return found

    def _processes(self) -> dict[int, dict[str, str]]:
        mine, found = f"SLURM_CONF={self.testbed.folder}/slurm.conf", {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                env, words = (
                    (entry / n).read_bytes().decode(errors="replace").split("\0") for n in ("environ", "cmdline")
                )
            except OSError:
                continue
            if mine in env:
                found[int(entry.name)] = dict(w.split("=", 1) for w in env if "=" in w) | {"words": " ".join(words)}
        return found


def kill(pid: int, signum: signal.Signals) -> None:
    """Sends a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def undisturbed(folder: Path) -> Sweep:
    """The study of all seeds on this machine, with the same ranks, which nothing happens to."""
    sweep = Sweep(folder / "undisturbed", SEEDS, LOCAL, dict(os.environ))
    sweep.run()
    return sweep


def preempt(testbed: Testbed) -> None:
    """A job of the higher partition takes all nodes, and ends."""
    job = testbed.submit("true", "-p", "hi", "-N4", "--exclusive")
    wait_for(lambda: job not in testbed.run("squeue", "-h", "-o", "%A").split(), 60)


def check_through(testbed: Testbed, sweep: Sweep, seeds: list[int], quiet: Sweep, timeout_s: float = 400) -> None:
    """The queue empties with all of the study done, once each, and as it is without faults; nobody called the launcher
    again.
    """
    wait_for(lambda: not testbed.run("squeue", "-h"), timeout_s)
    want, have = quiet.results(), sweep.results()
    names = [n for n in want if any(n.endswith(f" {s}") or f".s{s}-" in n for s in seeds)]
    assert have == {n: want[n] for n in names} and len(names) == 3 * len(seeds)
    assert sweep.finished() >= 4 * len(seeds) + 3
