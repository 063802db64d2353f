"""An archive on another machine: the same code plans the same keys; what was changed is said, and only that."""

import json
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.store import finished_store
from winsweep.archive import packing
from winsweep.workspace import open_workspace


def test_a_checkout_elsewhere_plans_the_same_keys_and_makes_nothing(whole, elsewhere, reproduce, made, tmp_path):
    said = reproduce(whole, "--to", "here", checkout=elsewhere)
    num = len(made.order)
    assert f"keys     {num} of {num} are those of the archive; 0 differ" in said
    assert "to make  nothing: all of it is here" in said and "differs  " not in said
    assert (tmp_path / "here/runs/results/kept.csv").read_bytes() == made.store.root.joinpath(
        "results/kept.csv"
    ).read_bytes()
    line = [sys.executable, elsewhere / "launch/status.py", "here/study.yaml", "--store", "here/runs"]
    status = subprocess.run([*map(str, line)], capture_output=True, text=True, cwd=tmp_path, timeout=100)
    assert status.returncode == 0 and "4 of 4 cells done; table: " in status.stdout, status.stderr
    said = reproduce(whole, "--to", "fresh", "--fresh", checkout=elsewhere)
    assert f"{num} of {num} are those of the archive" in said and re.search(r"to make  .*4 finetune", said)


def test_an_edited_data_file_is_said_to_be_what_differs(whole, reproduce, tmp_path):
    reproduce(whole, "--to", "here")
    with open(tmp_path / "here/files/rows.jsonl", "a") as rows:
        rows.write(finished_store.ROWS)
    said = reproduce(whole, "--to", "here", code=1)
    assert re.search(r"edited   .*files/rows.jsonl: differs from that of the archive, and stays", said)
    (line,) = re.findall(r"^differs  .*", said, re.MULTILINE)
    assert line.startswith("differs  prepare: source.data: ") and "here/files/rows.jsonl here" in line
    assert "files/rows.jsonl there  (own)" in line


def test_another_version_of_a_stage_is_said_to_be_what_differs(whole, elsewhere, reproduce, tmp_path):
    changed = shutil.copytree(elsewhere, tmp_path / "changed")
    stage = changed / "jobs/generate.py"
    text, num = re.subn(r"^VERSION = \d+", "VERSION = 98", stage.read_text(), flags=re.MULTILINE)
    assert num == 1
    stage.write_text(text)
    said = reproduce(whole, "--to", "here", checkout=changed, code=1)
    (line,) = re.findall(r"^differs  .*", said, re.MULTILINE)
    assert re.match(r"differs  generate: version: 98 here, \d+ there  \(a.ins.s1, ", line)
    assert re.search(r"to make  4 generate, 4 judge, 1 aggregate", said)


def test_data_that_the_archive_left_out_is_asked_for(bare, reproduce, made, tmp_path):
    said = reproduce(bare, "--to", "here", code=1)
    assert re.search(
        r"missing  .*here/files/rows.jsonl: that of the archive has sha256 [0-9a-f]{12}…; put it there", said
    )
    (tmp_path / "here/files").mkdir()
    shutil.copy(made.study.path.parent / "rows.jsonl", tmp_path / "here/files/rows.jsonl")
    assert "0 differ" in reproduce(bare, "--to", "here")


def test_code_of_the_authors_runs_only_where_it_is_trusted(made, reproduce, tmp_path):
    folder = tmp_path / "own"
    (folder / "tasks").mkdir(parents=True)
    ran = tmp_path / "ran"
    code = f"import dataclasses\nopen({str(ran)!r}, 'w').close()\n@dataclasses.dataclass(frozen=True)\nclass Options:\n"
    code += "    num: int = 1\ndef examples(options, path):\n    yield {'instruction': 'x', 'response': 'y'}\n"
    (folder / "tasks/mine.py").write_text(f"{code}NEEDS_PATH = False\n")
    (folder / "study.yaml").write_text(finished_store.TEXT.replace("{path: rows.jsonl}", "{from: mine}"))
    workspace = open_workspace(folder / "study.yaml", folder / "runs")
    for a in workspace.order[:3]:
        finished_store.publish(workspace, a)
    done = packing.pack(workspace, tmp_path / "own.zip")
    assert done.num_missing == len(workspace.order) - 3
    ran.unlink()
    said = reproduce(done.file, "--to", "here", code=2)
    assert "found Python files of its authors' own, study/tasks/mine.py" in said and not ran.exists()
    assert "0 differ" in reproduce(done.file, "--to", "here", "--trust-code") and ran.exists()


@pytest.mark.parametrize("told", [{"format": 2}, {"format": None}, [], {"format": 1, "files": {"x": 3}}])
def test_a_list_of_any_content_is_refused_in_words(told, whole, reproduce, tmp_path):
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(other, "w") as to:
        for name in archive.namelist():
            to.writestr(name, archive.read(name) if name != "archive.json" else json.dumps(told))
    said = reproduce(other, code=2)
    assert said.startswith("error: ") and "Traceback" not in said
    assert "update winsweep" in said if told and "format" in told and told["format"] == 2 else "legal" in said
