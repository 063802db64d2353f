"""What a name that is mistyped gets: what there is, and nothing made."""

import subprocess
import sys

import pytest

import winsweep
from tests.core.small_study import STUDY
from winsweep import layout
from winsweep.errors import BadStudy, NotFound
from winsweep.yaml_nodes import read_yaml


@pytest.mark.parametrize(
    "typed, match",
    [
        ("stduy.yaml", r"stduy.yaml: no such file; legal: other.yaml, study.yaml; did you mean study.yaml"),
        ("quite-else.yaml", r"no such file; legal: other.yaml, study.yaml$"),
        ("studies/study.yaml", r"no such file; .*/studies is no directory"),
        ("empty/study.yaml", r"no such file; .*/empty has no study, and no YAML file called alike$"),
        ("others/study.yaml", r"no such file; .*/others has no study, and no YAML file called alike$"),
        ("others/environmnet.yml", r"no such file; legal: environment.yml; did you mean environment.yml"),
    ],
)
def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path, typed, match):
    (tmp_path / "empty").mkdir()
    for name in ("study.yaml", "other.yaml"):
        (tmp_path / name).write_text(STUDY)
    (tmp_path / "others").mkdir()
    for folder in ("", "others"):
        (tmp_path / folder / "environment.yml").write_text("name: winsweep\ndependencies: [python=3.11]\n")
    with pytest.raises(BadStudy, match=match):
        read_yaml(tmp_path / typed)


@pytest.mark.parametrize(
    "words",
    [["logs", "study.yaml", "a.sum.s1"], ["prune", "study.yaml"], ["status", "study.yaml"], ["report", "study.yaml"]],
)
def test_who_looks_at_a_mistyped_store_makes_none(tmp_path, words):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/store.json").write_text('{"format": 1}')
    done = subprocess.run(
        [sys.executable, str(layout.LAUNCH / f"{words[0]}.py"), *words[1:], "--store", "rnus"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no store in" in done.stderr and "has runs; name another by --store DIR" in done.stderr
    assert not (tmp_path / "rnus").exists()


@pytest.mark.parametrize("words", [["archive", "study.yaml", "a.zip"], ["export", "study.yaml", "a.sum.s1", "out"]])
def test_who_only_reads_writes_nothing_into_a_folder_that_is_no_store(tmp_path, words):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "empty").mkdir()
    script = str(layout.LAUNCH / f"{words[0]}.py")
    line = [sys.executable, script, *words[1:], "--store", "empty"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "no store in" in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "study.yaml"]


def test_so_does_a_program(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    with pytest.raises(NotFound, match="no store in"):
        winsweep.open_study(tmp_path / "study.yaml", tmp_path / "rnus")
    assert not (tmp_path / "rnus").exists()
