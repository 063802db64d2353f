"""A study small enough to run through every stage in seconds, and the launcher as a person calls it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = """\
name: tiny
models:
  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
adapters:
  base: {rules: []}
  rules: {rules: [eos, uniform, diversity], uniform: {"!": 1.0, "<": -4.0}}
tasks:
  ins: {from: toy, num_examples: 24}
  sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}
seeds: [1, 2]
recipe: {lr: 1.0e-3, epochs: 2, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 8, batch: 20}
compare: {judge: reference_overlap, reference: {task: ins}}
"""


class Bench:
    """A folder with a study and a store, and the commands on it."""

    def __init__(self, folder: Path, text: str = TINY) -> None:
        self.folder, self.study, self.store = folder, folder / "study.yaml", folder / "runs"
        self.write(text)

    def write(self, text: str) -> None:
        self.study.write_text(text)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "launch/sweep.py"), str(self.study), "--store", str(self.store), *words]

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str, code: int = 0) -> str:
        """The output of one call of the launcher, which must exit with `code`."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=400)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def published(self) -> set[str]:
        """STAGE/LABEL of everything finished."""
        return {f"{p.parent.name}/{p.name.rpartition('-')[0]}" for p in self.store.glob("[a-z]*/*-????????????")}

    def times(self) -> dict[str, int]:
        """When each finished directory was published."""
        return {
            str(p.relative_to(self.store)): (p / "manifest.json").stat().st_mtime_ns
            for p in self.store.glob("[a-z]*/*-????????????")
        }

    def csv(self, name: str = "tiny") -> bytes:
        return (self.store / "results" / f"{name}.csv").read_bytes()

    def ends(self, kind: str = "done") -> list[str]:
        """Keys with one entry for each attempt that ended so."""
        found = [(p, json.loads(p.read_bytes())["kind"]) for p in self.store.glob(".work/*/*/ends/*.json")]
        return [p.parents[1].relative_to(self.store / ".work").as_posix() for p, ended in found if ended == kind]


def kill_when(process: subprocess.Popen, ready, timeout_s: float = 300) -> bool:
    """SIGKILL `process` as soon as `ready()`; False if it ended first."""
    limit = time.monotonic() + timeout_s
    while time.monotonic() < limit and process.poll() is None:
        if ready():
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=timeout_s)
            return True
        time.sleep(0.005)
    process.communicate(timeout=timeout_s)
    return False


def processes_naming(path: Path) -> list[int]:
    """Live processes whose command line has `path`, or that are attempts forked on behalf of it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                files = [os.readlink(f) for f in (entry / "fd").iterdir()]
            except OSError:
                continue
            found += [int(entry.name)] if any(str(path) in f for f in files) else []
    return found


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Bench:
    """The tiny study, run to its end once; tests only read it."""
    made = Bench(tmp_path_factory.mktemp("finished"))
    made.run()
    return made
