"""A small study on the testbed, and the launch commands on it."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.slurm.conftest import Testbed, wait_for

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
name: small
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
adapters: {base: {rules: []}}
tasks: {ins: {from: toy, num_examples: 24}}
seeds: [1]
recipe: {lr: 1.0e-2, epochs: 2, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 8, batch: 20}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
CLUSTER = """\
kind: slurm
all: {partition: main, time_min: 10, signal_s: 30, timeout_s: 60}
stages: {finetune: {nodes: 2, ranks: 2, gpus_per_rank: 1, zero: zero2}, generate: {gpus_per_rank: 1}}
"""


class Desk:
    """A folder with a study, a cluster file and a store with a blank in its name, and the launch commands on them."""

    def __init__(self, folder: Path, testbed: Testbed) -> None:
        self.folder, self.testbed, self.store = folder, testbed, folder / "the runs"
        (folder / "study.yaml").write_text(STUDY)
        (folder / "c.yaml").write_text(CLUSTER)

    def command(self, name: str, *words: object) -> list[str]:
        return [sys.executable, str(ROOT / f"launch/{name}.py"), *map(str, words), "--store", str(self.store)]

    def run(self, name: str, *words: object, code: int = 0) -> str:
        done = subprocess.run(
            self.command(name, *words), env=self.testbed.env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def on(self, name: str, *words: object, code: int = 0) -> str:
        return self.run(name, self.folder / "study.yaml", *words, code=code)

    def sweep(self, *words: object, code: int = 0) -> str:
        return self.on("sweep", "--cluster", self.folder / "c.yaml", *words, code=code)

    def rows(self) -> list[dict]:
        with open(self.store / "results/small.csv", newline="") as f:
            return [{k: v for k, v in row.items() if k != "commit"} for row in csv.DictReader(f)]


def when(pattern: str, look: Callable[[], str]) -> str:
    """What `look` says when it first fits."""
    heard: list[str] = []
    wait_for(lambda: heard.append(look()) or re.search(pattern, heard[-1], re.MULTILINE), 120)
    return heard[-1]


def submit(desk: Desk, code: int = 0) -> str:
    done = subprocess.run(
        ["bash", str(desk.folder / "scripts/submit.sh")],
        env=desk.testbed.env,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    return done.stderr
