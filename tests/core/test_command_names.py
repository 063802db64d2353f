"""Hints name the command that the person typed; a cluster file is found beside a study and here."""

import subprocess
import sys
from pathlib import Path

import pytest

from winsweep import command_names, layout
from winsweep.cluster_file import cluster_file
from winsweep.errors import BadStudy

ROOT = Path(__file__).resolve().parents[2]


def test_a_script_of_the_checkout_names_itself(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["launch/sweep.py"])
    text = "no rows; python launch/doctor.py says why"
    assert command_names.command("run") == "python launch/sweep.py" and command_names.as_typed(text) == text


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("python launch/sweep.py S.yaml", "winsweep run S.yaml"),
        ("see launch/status.py and sweep.py", "see winsweep status and winsweep run"),
        ("launch/sweeps/demo.yaml, my_sweep.py, jobs/score.py", "launch/sweeps/demo.yaml, my_sweep.py, jobs/score.py"),
    ],
)
def test_the_command_winsweep_names_itself(monkeypatch, written, typed):
    monkeypatch.setattr(sys, "argv", ["winsweep status"])
    assert command_names.as_typed(written) == typed


def test_every_script_of_launch_has_a_name():
    assert {p.stem for p in layout.LAUNCH.glob("*.py")} == {*command_names.NAMES}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([sys.executable, "launch/score.py"], "python launch/score.py FILE"),
        (["winsweep", "score"], "winsweep score FILE"),
    ],
)
def test_the_same_code_says_what_to_type_by_how_it_was_called(words, said):
    words = (
        [sys.executable, "-c", "from winsweep.cli import main; exit(main())", *words[1:]] if said[0] == "w" else words
    )
    env = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f"type {said}" in done.stderr


def test_own_cluster_files_come_before_the_examples(tmp_path, monkeypatch):
    study = tmp_path / "studies/s.yaml"
    for folder in (study.parent / "clusters", tmp_path / "here/clusters"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert cluster_file("gpu", study=study) == layout.CLUSTERS / "gpu.yaml"
    (study.parent / "clusters/gpu.yaml").write_text("kind: slurm\n")
    assert cluster_file("gpu", study=study) == study.parent / "clusters/gpu.yaml"
    (tmp_path / "here/clusters/gpu.yaml").write_text("kind: slurm\n")
    assert cluster_file("gpu", study=study) == Path("clusters/gpu.yaml")
    assert cluster_file("gpu.yaml", study=study) == Path("gpu.yaml")
    with pytest.raises(BadStudy, match=r"--cluster: found '\.\./s'; legal: apptainer, "):
        cluster_file("../s", study=study)


def test_a_study_that_others_wrote_brings_no_cluster_of_its_own_unasked(tmp_path):
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters/local.yaml").write_text("kind: slurm\nall: {partition: evil}\n")
    assert cluster_file("local", study=tmp_path / "s.yaml") == layout.CLUSTERS / "local.yaml"
