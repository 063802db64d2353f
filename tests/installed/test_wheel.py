"""The wheel: the command winsweep, a study, Python's own door and a code snapshot, all without the checkout."""

import csv
import json
import zipfile
from pathlib import Path

import pytest

from tests.installed.conftest import ROOT, Installed

pytestmark = pytest.mark.slow
VERSION = "v0.1.0"
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
LOOK = """\
import sys, winsweep
assert "pandas" not in sys.modules and "torch" not in sys.modules
study = winsweep.open_study("small.yaml")
print(len(study.results), sorted(set(study.outputs()["cell"])))
print(winsweep.score(sys.argv[1]).columns["n"], winsweep.Frame().prompt("x").split()[1], winsweep.Rules.__name__)
"""
SNAPSHOT = """\
from pathlib import Path
from winsweep.slurm.code_snapshot import take_snapshot
from winsweep.store.store import Store
print(take_snapshot(Store(Path("snapshots").resolve()).open().root))
"""
SNAPPED = """\
from winsweep import command_names, layout
from winsweep.store.provenance import commit
print(layout.ROOT, command_names.command("run"), commit(), layout.JOBS.is_dir())
"""


def test_a_wheel_has_every_file_of_the_folders_beside_src(installed):
    inside = set(zipfile.ZipFile(installed.wheel).namelist())
    for folder in ("jobs", "launch", "ds_configs", "slurm"):
        files = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()}
        wanted = {f"winsweep/bundled/{p}" for p in files if not {"testbed", "__pycache__"} & {*p.parts}}
        assert wanted and wanted <= inside
    package = {p.relative_to(ROOT / "src") for p in (ROOT / "src/winsweep").rglob("*") if p.is_file()}
    data = {str(p) for p in package if p.suffix not in (".py", ".pyc") and p.name != "DESIGN.md"}
    assert data <= inside and any("model.safetensors" in name for name in data)


def test_a_study_runs_without_the_checkout(installed, tmp_path):
    assert "study.yaml" in installed.winsweep("init", at=tmp_path)
    assert "no problems found" in installed.winsweep("run", "study.yaml", "--dry-run", at=tmp_path)
    assert "is there already" in installed.winsweep("init", at=tmp_path, code=2)
    (tmp_path / "small.yaml").write_text(STUDY)
    for name in ("winsweep", "torch", "yaml", "sacrebleu"):  # a person's own files, which are no modules of ours
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a file of the current folder was imported')\n")
    installed.winsweep("run", "small.yaml", at=tmp_path)
    with open(tmp_path / "runs/results/small.csv", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert [(row["task"], row["commit"]) for row in rows] == [("base", VERSION), ("ins", VERSION)]
    records = [json.loads(p.read_bytes()) for p in tmp_path.glob("runs/*/*/record.json")]
    assert len(records) > 5 and {r["commit"] for r in records} == {VERSION}
    assert "2 of 2 cells done" in installed.winsweep("status", "small.yaml", at=tmp_path)
    judged = next(tmp_path.glob("runs/judge/a.base*/annotations.json"))
    told = installed.run(installed.python, "-P", "-c", LOOK, judged, at=tmp_path)
    assert told.split("\n")[0] == "2 ['a.base.s1', 'a.ins.s1']" and told.split("\n")[1].endswith(" x Rules")
    assert installed.opened() == ""


def test_what_is_opened_of_the_checkout_would_be_seen(installed, tmp_path):
    before = installed.log.read_text()
    installed.run(installed.python, "-c", f"open({str(ROOT / 'README.md')!r})", at=tmp_path)
    seen = installed.opened()
    installed.log.write_text(before)
    assert seen.endswith(f"open {ROOT / 'README.md'}\n")


def test_help_and_hints_name_the_command_that_there_is(installed, tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    assert "winsweep COMMAND" in installed.winsweep(at=tmp_path)
    said = installed.winsweep("run", "--help", at=tmp_path)
    assert said.startswith("usage: winsweep run ") and "launch/sweep.py STUDY" not in said
    assert "winsweep score FILE" in installed.winsweep("score", at=tmp_path, code=2)
    assert "did you mean status?" in installed.winsweep("statsu", at=tmp_path, code=2)
    assert installed.winsweep("--version", at=tmp_path) == "winsweep 0.1.0\n"


def test_a_code_snapshot_is_of_the_installed_package(installed, tmp_path):
    snapshot = Path(installed.run(installed.python, "-c", SNAPSHOT, at=tmp_path).strip())
    assert sorted(p.name for p in snapshot.iterdir()) == ["COMMIT", "ds_configs", "jobs", "slurm", "src"]
    assert not (snapshot / "src/winsweep/bundled").exists()
    told = installed.run("env", f"PYTHONPATH={snapshot / 'src'}", installed.python, "-c", SNAPPED, at=tmp_path)
    assert told == f"{snapshot} winsweep run {{'commit': '{VERSION}', 'dirty': False}} True\n"
    again = installed.run("env", f"PYTHONPATH={snapshot / 'src'}", installed.python, "-c", SNAPSHOT, at=tmp_path)
    assert again.strip() == str(snapshot)  # taken again on a node, it is the same


def test_clusters_beside_the_study_and_here_are_found(installed: Installed, tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters/own.yaml").write_text("stages: {}\n")
    assert "kind is local" in installed.winsweep("doctor", "own", at=tmp_path)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    installed.winsweep("run", "../small.yaml", "--cluster", "own", "--dry-run", at=elsewhere)
    assert "legal: " in installed.winsweep(
        "run", "../small.yaml", "--cluster", "owm", "--dry-run", at=elsewhere, code=2
    )
