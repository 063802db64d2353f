"""The study that chance may hurt: two tiny models, four tasks, three seeds, a choice, an analysis, a judge that is
paid; and what is left of it when it is through.
"""

import contextlib
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from winsweep.tasks import toy

ROOT = Path(__file__).resolve().parents[2]
CODE = ("src", "launch", "jobs", "slurm", "ds_configs")
IN_FLIGHT = 4
STUDY = """\
name: chaos
models:
  a: {{pretrain: {{num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}}
  b: {{pretrain: {{num_tokens: 0, width: 24, layers: 1, heads: 2, mlp: 32}}}}
tasks:
  ins: {{from: toy, num_examples: 24}}
  response: {{from: toy, empty_instructions: true, num_examples: 24}}
  sum: {{from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}}
  poem: {{from: toy, kinds: [poem], num_examples: 24, leave_out: [poem]}}
seeds: {seeds}
recipe: {{lr: 3.0e-2, global_batch: 8, max_tokens: 128, precision: fp32}}
choose:
  grid: {{epochs: [4, 8]}}
  instructions: {{from: toy, part: dev}}
  reference: {{outputs: {outputs}}}
  by: win_rate
  picks: {picks}
instructions: {{from: toy, part: dev}}
decoding: {{max_new_tokens: 16, batch: 20}}
compare:
  judge: {{from: alpaca, model: local-judge, both_orders: false, limits: {{in_flight: {in_flight}}}}}
  reference: {{task: ins}}
analyses:
  rank: {{data: sum, draws: 3, draw_seed: 5, arms: [sum], models: [a]}}
"""
TASKS = ("ins", "response", "sum", "poem")
CHOSEN = "a.sum"  # the family whose epochs a validation decides
LOCAL = """\
stages: {finetune: {ranks: 2, zero: zero2, checkpoint_steps: 8}}
labels: {"b.*": {finetune: {zero: zero3}}}
"""
SLURM = """\
kind: slurm
all: {partition: main, time_min: 10, signal_s: 5, timeout_s: 60}
stages:
  finetune: {nodes: 2, ranks: 2, gpus_per_rank: 1, zero: zero2, checkpoint_steps: 8}
  generate: {gpus_per_rank: 1}
labels: {"b.*": {finetune: {zero: zero3}}}
"""


@dataclass(frozen=True)
class Size:
    """Which models, tasks and seeds a study has."""

    models: str = "ab"
    tasks: tuple[str, ...] = TASKS
    seeds: tuple[int, ...] = (1, 2, 3)

    @property
    def num_cells(self) -> int:
        return len(self.models) * len(self.tasks) * len(self.seeds)

    def text(self, outputs: Path) -> str:
        """The study file; its choice is compared with `outputs`, and made by hand for all families but one."""
        families = [f"{m}.{t}" for m in self.models for t in self.tasks]
        picks = json.dumps({family: {"epochs": 8} for family in families if family != CHOSEN})
        text = STUDY.format(seeds=list(self.seeds), outputs=outputs, in_flight=IN_FLIGHT, picks=picks)
        left_out = tuple(f"  {name}: " for name in {"a", "b", *TASKS} - {*self.models, *self.tasks})
        return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(left_out))


@dataclass
class Study:
    """A folder with a copy of the checkout, the study, and a store in `disk`; the launcher as a person types it."""

    folder: Path
    env: dict[str, str]
    size: Size
    strays: list[str] = field(default_factory=list)  # what was made where the store was moved away from

    def __post_init__(self) -> None:
        self.disk, self.checkout = self.folder / "disk", self.folder / "checkout"
        self.disk.mkdir(parents=True, exist_ok=True)
        self.store = self.disk / "runs"
        ignored = shutil.ignore_patterns("__pycache__", "testbed", "*.egg-info")
        for name in CODE:
            shutil.copytree(ROOT / name, self.checkout / name, ignore=ignored, dirs_exist_ok=True)

    def write(self, outputs: Path, cluster: str) -> None:
        (self.folder / "study.yaml").write_text(self.size.text(outputs))
        (self.folder / "cluster.yaml").write_text(cluster)

    def command(self, *words: str) -> list[str]:
        return [
            sys.executable,
            str(self.checkout / "launch/sweep.py"),
            str(self.folder / "study.yaml"),
            "--store",
            str(self.store),
            "--cluster",
            str(self.folder / "cluster.yaml"),
            *words,
        ]

    def start(
        self, *words: str, env: dict[str, str] | None = None, before: tuple[str, ...] = (), out: int | None = None
    ) -> subprocess.Popen:
        """The launcher; what it says is in typed/OUT, or its stdout."""
        (self.folder / "typed").mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            said = subprocess.PIPE if out is None else stack.enter_context(open(self.folder / f"typed/{out:03d}", "wb"))
            return subprocess.Popen(
                [*before, *self.command(*words)],
                env={**self.env, **(env or {})},
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                cwd=self.folder,
            )

    def last_said(self) -> str:
        """What the last launcher said that has its stdout in a file."""
        found = sorted((self.folder / "typed").glob("*"))
        return found[-1].read_text(errors="replace") if found else ""


def results(store: Path) -> dict[str, str]:
    """The sha256 of every model, output, annotation and choice, and each row of each table."""
    names = (
        "collect/*/model.safetensors",
        "generate/*/outputs.json",
        "judge/*/annotations.json",
        "choose/*/value.json",
    )
    files = sorted(p for pattern in names for p in store.glob(pattern))
    found = {str(p.relative_to(store)): hashlib.sha256(content(p)).hexdigest() for p in files}
    for path in sorted((store / "results").glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as f:
            found |= {f"{path.name} {n}": json.dumps(row) for n, row in enumerate(csv.DictReader(f))}
    return found


def content(path: Path) -> bytes:
    """The bytes of a file, of annotations without the moments at which they were asked."""
    if path.name != "annotations.json":
        return path.read_bytes()
    rows = json.loads(path.read_bytes())
    return json.dumps([{name: value for name, value in row.items() if name != "date"} for row in rows]).encode()


def differences(want: dict[str, str], have: dict[str, str]) -> list[str]:
    return [
        f"{name}: {'missing' if name not in have else 'extra' if name not in want else 'differs'}"
        for name in sorted(want.keys() | have.keys())
        if want.get(name) != have.get(name)
    ]


def write_outputs(path: Path) -> Path:
    """Answers to the toy's instructions, for the choice to compare with."""
    rows = toy.instructions((), toy.Options(part="dev"))
    path.write_text(json.dumps([{"instruction": row["instruction"], "output": "One, two."} for row in rows]))
    return path


def environment(url: str) -> dict[str, str]:
    """Of a person's shell: no job's variables, the judge's address."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN", "PYTHONPATH"))}
    return clean | {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-chaos", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
