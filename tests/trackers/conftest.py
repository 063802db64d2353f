"""A finished study of three cells, and copies of its store in which a finetune has only come so far."""

import importlib.util
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, Bench
from tests.trackers import readers
from tests.trackers.readers import Found
from winsweep.trackers import tracking

SMALL = """\
name: small
models:
  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
adapters:
  base: {rules: []}
tasks:
  ins: {from: toy, num_examples: 24}
  sum: {from: toy, kinds: [sum], num_examples: 24}
seeds: [1]
recipe: {lr: 1.0e-3, epochs: 2, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 8, batch: 20}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
MODULES = {"mlflow": "mlflow", "wandb": "wandb", "trackio": "trackio", "tensorboard": "tensorboard"}


class Desk:
    """A copy of a finished store, and the command on it."""

    def __init__(self, folder: Path, made: Bench) -> None:
        self.study, self.store = folder / "study.yaml", folder / "runs"
        shutil.copy(made.study, self.study)
        shutil.copytree(made.store, self.store, symlinks=True)

    def command(self, name: str, *words: str) -> list[str]:
        launch = [sys.executable, str(ROOT / "launch/track.py"), str(self.study), "--store", str(self.store)]
        return [*launch, "--to", name, *words]

    def track(self, name: str, *words: str, code: int = 0) -> str:
        done = subprocess.run(self.command(name, *words), capture_output=True, text=True, timeout=200)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def sweep(self, *words: str) -> str:
        launch = [sys.executable, str(ROOT / "launch/sweep.py"), str(self.study), "--store", str(self.store)]
        done = subprocess.run([*launch, *words], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def read(self, name: str) -> dict[str, Found]:
        return getattr(readers, name)(self.store / tracking.FOLDER / name, "small")

    def finetune(self, task: str) -> Path:
        return next(self.store.glob(f"finetune/a.{task}.s1-*"))

    def unfinished(self, task: str) -> "Unfinished":
        """The finetune of `task` and all that is made from it taken away: an attempt is at it."""
        made = self.finetune(task)
        lines = (made / "log.jsonl").read_bytes().splitlines(keepends=True)
        for path in [made, *self.store.glob(f"*/a.{task}.s1-*"), *self.store.glob("aggregate/*")]:
            if path.parent.name != "prepare":
                shutil.rmtree(path, ignore_errors=True)
        state = self.store / ".work/finetune" / made.name.rpartition("-")[2] / "state-000001"
        state.mkdir(parents=True, exist_ok=True)
        return Unfinished(f"finetune-{made.name.rpartition('-')[2]}", state / "log.jsonl", lines)


class Unfinished:
    """The log of an attempt that runs: `lines` are those of the whole training."""

    def __init__(self, id: str, log: Path, lines: list[bytes]) -> None:
        self.id, self.log, self.lines = id, log, lines

    def come_to(self, lines: list[bytes]) -> None:
        self.log.write_bytes(b"".join(lines))


def rows_of(path: Path, name: str) -> list[dict[str, float]]:
    """The lines of a log.jsonl as a tracker must have them."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: rounded(v) if name == "tensorboard" and k != "step" else v for k, v in row.items()} for row in rows]


def rounded(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


@pytest.fixture(params=tracking.NAMES)
def name(request) -> str:
    """Each tracker whose library is there."""
    if importlib.util.find_spec(MODULES[request.param]) is None:
        pytest.skip(f"{request.param} is not installed; pip install 'winsweep[trackers]'")
    return request.param


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Bench:
    """The small study, run to its end once."""
    made = Bench(tmp_path_factory.mktemp("small"), SMALL)
    made.run()
    return made


@pytest.fixture
def desk(tmp_path, small) -> Desk:
    return Desk(tmp_path, small)
