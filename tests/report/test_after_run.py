"""A finished run leaves its report, and never fails for one that could not be written."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.core.test_finalizer import queue  # noqa: F401  # a fixture
from tests.local.conftest import Bench
from tests.report.made_store import make, study_text
from winsweep import layout
from winsweep.attempt.retry import ChainProgress
from winsweep.attempt.stopflag import StopFlag
from winsweep.cluster_file import read_cluster
from winsweep.report.files import report_path, write_after_run, write_report
from winsweep.slurm import finalizer
from winsweep.slurm.pending_finalizers import asked
from winsweep.workspace import Workspace

TINY = """\
name: tiny
models:
  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
adapters:
  base: {rules: []}
  rules: {rules: [eos], eos_bonus: 1.0}
tasks: {}
seeds: [1]
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 8, batch: 20}
compare: {judge: reference_overlap, reference: {task: base}}
"""


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return make(tmp_path, study_text(1, (1,)), num=20)


@pytest.mark.slow
def test_a_run_on_this_machine_leaves_a_report_and_no_second_one_where_nothing_changed(tmp_path):
    bench = Bench(tmp_path, TINY)
    bench.run()
    report = bench.store / "results/tiny.html"
    first = report.stat().st_mtime_ns
    assert "rules" in report.read_text() and (bench.store / "results/tiny.csv").exists()
    assert "0 jobs run" in bench.run() and report.stat().st_mtime_ns == first
    bench.write(TINY + "notes: other words\n")
    bench.run()
    assert "other words" in report.read_text()
    report.unlink()
    report.mkdir()  # where nothing can be written
    said = bench.run("--only", "a.rules.s1")
    assert f"note {report} could not be written: " in " ".join(said.split()) and "the results stand" in said


def test_the_finalizer_leaves_a_report(made, queue, tmp_path, monkeypatch):  # noqa: F811
    (tmp_path / "c.yaml").write_text("kind: slurm\nall: {time_min: 10}\n")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    told = {
        "name": "made",
        "study": str(made.study.path),
        "store": str(made.store.root),
        "cluster": str(tmp_path / "c.yaml"),
        "cells": [*made.judged],
        "has_table": True,
        "chain_progress": vars(ChainProgress(0, 0)),
        **asked(made),
    }
    read_cluster(layout.STAGES, tmp_path / "c.yaml", made.need.stages)
    assert finalizer.close(told, StopFlag()) == 0
    assert (made.store.root / "results/made.csv").exists() and "t0" in report_path(made).read_text()


def test_a_full_disk_loses_no_report_and_is_a_note(made, tmp_path):
    disk = made.store.root / "results"
    disk.mkdir()
    tried = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
    try:
        report_path(made).write_text("the one before")
        assert "No space left" in write_after_run(made)
        assert {*os.listdir(disk)} <= {"made.html", "made.texts"}  # and no half of a page
        assert report_path(made).read_text() == "the one before"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_link_in_place_of_results_is_not_followed(made, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (made.store.root / "results").symlink_to(tmp_path / "elsewhere")
    assert "found a link" in write_after_run(made) and not list((tmp_path / "elsewhere").iterdir())


def test_what_somebody_takes_away_meanwhile_is_missing_then(made, monkeypatch):
    """A result goes between the listing and the reading: the report is of what is there a moment later."""
    lost, read = made.store.find(made.judged["m.t0.s1"].key), Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "annotations.json" and lost.exists():
            shutil.rmtree(lost)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    found = write_report(made).read_text()
    assert '"judged":2,' in found and '{"cell":"m.t0.s1","stage":"judge","state":"ready"' in found


def test_folders_beside_a_report_are_no_results(made):
    from winsweep.pruning import waste

    write_report(made)
    before = waste([made])
    for name in ("made.texts", "made.figures"):
        (made.store.root / "results" / name).mkdir(exist_ok=True)
    assert not [key for key in made.store.published() if key.startswith("results/")]
    assert waste([made]) == before


def test_the_command_writes_where_it_is_told_and_says_where(made, tmp_path, monkeypatch, capsys):
    from winsweep.graph import load

    words = [str(made.study.path), "--store", str(made.store.root), "--out", str(tmp_path / "deep/page.html")]
    words += ["--without-figures"]  # which take seconds
    monkeypatch.setattr("sys.argv", ["launch/report.py", *words])
    assert load(layout.LAUNCH / "report.py", "tests.launched").main() == 0
    made_for, said = capsys.readouterr().out.splitlines()
    assert made_for == f"made:     {tmp_path / 'deep'}, a folder that was not there"
    assert said == f"report: {tmp_path / 'deep/page.html'}"
    (tmp_path / "deep/page.html").unlink()
    (tmp_path / "deep/page.html").mkdir()
    assert load(layout.LAUNCH / "report.py", "tests.launched").main() == 2
    assert "error: " in capsys.readouterr().err


def test_a_report_to_pass_on_quotes_no_instruction_and_names_no_folder(made):
    lost = made.judged["m.t0.s1"]
    shutil.rmtree(made.store.find(lost.key))
    claim = made.store.claim(lost.key, "host@1@0.0@token", lambda owner: False)
    why = "rows: no judgement for 'What is the secret instruction?' in /home/me/private/file.json"
    claim.end({"kind": "data", "reason": why, "progress": 0})
    assert "secret instruction" in write_report(made).read_text()
    public = write_report(made, with_texts=False).read_text()
    assert "secret" not in public and "private" not in public and "no judgement for … in …/file.json" in public
    assert "What is thing" not in public and str(made.store.root) not in public
