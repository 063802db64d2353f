"""Preparing many rows takes the memory of few."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from winsweep.store.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import json, sys
from pathlib import Path
from winsweep.attempt.job import Job
from winsweep.placement import Placement
from winsweep import layout
from winsweep.graph import load
out = Path(sys.argv[1])
params, files, inputs = json.loads(sys.argv[2])
job = Job("x", params, {n: Path(p) for n, p in inputs.items()}, out, out, Placement(), files)
load(layout.JOBS / "prepare.py", "winsweep.jobs").run(job)
print(job.notes["num_rows"])
"""
NUM, CHARACTERS, ALLOWED = 20_000, 3_000, 30 << 20  # rows of 60 MB in all, and bytes beside those of a few rows


def prepared(out: Path, params: dict, files: dict, inputs: dict) -> tuple[int, int]:
    """Rows that the stage gives, and the peak of its resident memory in bytes."""
    out.mkdir()
    said, peak = run(CHILD, str(out), json.dumps([params, files, inputs]))
    return int(said), peak


def run(code: str, *words: str) -> tuple[str, int]:
    """What a program prints, and the peak of its resident memory in bytes."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, env=env)
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    assert process.returncode == 0
    return said, used.ru_maxrss * 1024


def source(path: Path, num: int, **told: object) -> tuple[dict, dict, dict]:
    with open(path, "w") as f:
        f.writelines(json.dumps({"instruction": f"{n} " * 20, "output": "b" * CHARACTERS}) + "\n" for n in range(num))
    sha = fingerprint(path)
    data = {"reader": "jsonl", "version": 1, "options": {}, "data": {"sha256": sha}, **told}
    return {"purpose": "examples", "source": data}, {sha: str(path)}, {}


@pytest.mark.parametrize("told", [{}, {"sample": {"rows": NUM - 1000, "seed": 1, "keep": "sample"}}], ids=str)
def test_memory_does_not_grow_with_the_rows_of_a_source(told, tmp_path):
    few, peak_of_few = prepared(
        tmp_path / "few", *source(tmp_path / "few.jsonl", 100, **(told and {"sample": {**told["sample"], "rows": 90}}))
    )
    many, peak = prepared(tmp_path / "many", *source(tmp_path / "many.jsonl", NUM, **told))
    assert (few, many) == ((90, NUM - 1000) if told else (100, NUM))
    assert peak < peak_of_few + ALLOWED


def test_memory_does_not_grow_with_the_rows_of_a_mix(tmp_path):
    num, _ = prepared(tmp_path / "one", *source(tmp_path / "one.jsonl", NUM))
    shares = [{"input": "source 1", "share": 1.0}, {"input": "source 2", "share": 1.0}]
    mix = {"purpose": "examples", "mix": shares, "rows": None, "seed": 1}
    prepared(tmp_path / "two", *source(tmp_path / "two.jsonl", 100))
    inputs = {"source 1": str(tmp_path / "two"), "source 2": str(tmp_path / "two")}
    few, peak_of_few = prepared(tmp_path / "few", mix, {}, inputs)
    many, peak = prepared(tmp_path / "many", mix, {}, dict.fromkeys(inputs, str(tmp_path / "one")))
    assert (num, few, many) == (NUM, 200, 2 * NUM) and peak < peak_of_few + ALLOWED


STUDY = """\
name: s
models: {toy0: {pretrain: {corpus: toy, seed: 0}}}
tasks: {a: {from: jsonl, path: rows.jsonl}}
seeds: [1]
recipe: {lr: 3.0e-4, epochs: 1, global_batch: 16, max_tokens: 256}
instructions: {from: toy}
decoding: {max_new_tokens: 48}
compare: {judge: reference_overlap, reference: {task: a}}
"""
OPEN = """
import sys
from pathlib import Path
from winsweep.workspace import open_workspace
open_workspace(*map(Path, sys.argv[1:]))
"""


def test_a_study_of_many_rows_is_opened_in_the_memory_of_few(tmp_path):
    peaks = []
    for num in (100, NUM):
        source(tmp_path / "rows.jsonl", num)
        (tmp_path / "s.yaml").write_text(STUDY)
        peaks.append(run(OPEN, str(tmp_path / "s.yaml"), str(tmp_path / "runs"))[1])
    assert peaks[1] < peaks[0] + ALLOWED
