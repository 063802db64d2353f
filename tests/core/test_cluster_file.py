"""Cluster files and words that are not what they look like: refused with what to type, before anything runs."""

import subprocess
import sys

import pytest

from tests.core.small_study import STUDY
from winsweep import layout
from winsweep.check import dry
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.workspace import open_workspace


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: local\nall: {ranks: 60000}\n", "found 60000 with kind: local; [0-9]+ at most are legal, as this"),
        ("all: {ranks: 60000}\n", "c.yaml:1: all.ranks: found 60000 with kind: local"),
        ("all: {partition: gpu, time_min: 60}\n", "c.yaml:1: the file: kind is missing, and partition is SLURM's; "),
        ("stages: {finetune: {sbatch: {nice: 5}}}\n", "kind is missing, and sbatch is SLURM's; .*; add kind: slurm"),
        ("labels: {'*': {judge: {account: x}}}\n", "kind is missing, and account is SLURM's"),
        (
            "stages: {finetune: {zero: zero4}}\n",
            "c.yaml:1: stages.finetune.zero: found 'zero4'; legal: auto, zero0, .*; did you",
        ),
        ("kind: slurm\nall: {gres: gpu:4}\n", r"did you mean gpu_type\? \(with gpus_by: gres"),
        ("kind: slurm\nall: {modules: [cuda]}\n", r"did you mean setup\?"),
        ("kind: slurm\nstages: {generation: {}}\n", r"legal: aggregate, .*; did you mean generate\?$"),
        ("kind: slurm\nstages: {training: {}}\n", r"did you mean finetune\?$"),
        ("kind: slurm\nlabels: {'*': {eval: {}}}\n", r"did you mean judge\?$"),
        (
            "kind: slurm\nall: {partition: --help}\n",
            "all.partition: found '--help'; one word .* neither - nor . before",
        ),
        ("kind: slurm\nall: {account: ../../x}\n", "all.account: found '../../x'; one word"),
        (
            "kind: slurm\ntrack: [wand]\n",
            "c.yaml:2: track.0.: found the text 'wand'; legal: wandb, .*; did you mean wandb",
        ),
        (
            "kind: slurm\nnotify: json://me:hunter2@host\n",
            "c.yaml:2: notify: found a text of 22 characters; the name of a",
        ),
    ],
)
def test_a_cluster_file_that_is_not_what_it_looks_like(text, told, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(BadStudy, match=told):
        read_cluster(layout.STAGES, tmp_path / "c.yaml", [p.stem for p in layout.JOBS.glob("*.py")])


def test_the_address_of_messages_is_not_repeated_where_it_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text("notify: json://me:hunter2@host\n")
    with pytest.raises(BadStudy) as refused:
        read_cluster(layout.STAGES, tmp_path / "c.yaml", [p.stem for p in layout.JOBS.glob("*.py")])
    assert "hunter2" not in str(refused.value)


def test_trackers_and_the_variable_of_messages_are_read(tmp_path):
    (tmp_path / "c.yaml").write_text("kind: local\ntrack: [wandb, mlflow]\nnotify: MY_CHANNEL\n")
    read = read_cluster(layout.STAGES, tmp_path / "c.yaml", [p.stem for p in layout.JOBS.glob("*.py")])
    assert (read.track, read.notify) == (("wandb", "mlflow"), "MY_CHANNEL")
    (tmp_path / "c.yaml").write_text("kind: local\n")
    read = read_cluster(layout.STAGES, tmp_path / "c.yaml", [p.stem for p in layout.JOBS.glob("*.py")])
    assert (read.track, read.notify) == ((), "WINSWEEP_NOTIFY")


@pytest.mark.parametrize("words", [["--jobs", "0"], ["--jobs", "-1"], ["--jobs", "two"]])
def test_no_job_at_once_is_refused_and_not_waited_for(words, tmp_path):
    done = subprocess.run(
        [sys.executable, str(layout.ROOT / "launch/sweep.py"), str(tmp_path), *words], capture_output=True, text=True
    )
    assert done.returncode == 2 and "a whole number from 1 on is legal" in done.stderr


def test_a_directory_is_no_study_and_a_file_no_store(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "file").touch()
    for words, told in [
        ([str(tmp_path)], "cannot be read: Is a directory; a YAML file is legal"),
        (
            [str(tmp_path / "study.yaml"), "--store", str(tmp_path / "file")],
            "is a file; the directory of a store is legal",
        ),
    ]:
        command = [sys.executable, str(layout.ROOT / "launch/status.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_a_pattern_that_decides_for_nothing_is_told(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY.replace("[1, 2]", "[1]"))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "store", lenient=True)

    def told(text: str) -> str:
        (tmp_path / "c.yaml").write_text(f"labels: {{{text}}}\n")
        placements = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages).placements
        return "; ".join(row.finding.text for row in dry.labels(workspace, placements))

    assert told("'a.*': {finetune: {ranks: 2}}") == told("'a.*': {generate: {ranks: 2}}, 'b.*': {judge: {}}") == ""
    assert told("'a-*': {finetune: {ranks: 2}}, 'b.*': {judge: {}}") == (
        "'a-*' for finetune fits nothing of this study, or an earlier pattern does; labels of finetune are such as "
        "a.ins.s1"
    )
    assert told("'*': {judge: {}}, 'b.*': {judge: {}}").startswith("'b.*' for judge fits nothing")
