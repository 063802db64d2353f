"""Archives and studies that others made and that you open: what they could do, and what is refused."""

import dataclasses
import hashlib
import json
import re
import subprocess
import sys

import pytest

from tests.archive.test_hostile import rewritten
from tests.core.small_study import STUDY, read, refused
from winsweep import layout, plugins, table_view
from winsweep.archive import zipped
from winsweep.errors import BadStudy
from winsweep.stats.table import header


def with_code(files: dict[str, bytes]) -> None:
    files["study/tasks/mine.py"] = b"open('ran', 'w').close()\n"


def test_an_archive_writes_nowhere_but_in_its_folder(whole, reproduce, tmp_path):
    for name in ("../out.txt", "/tmp/out.txt", "study/../../out.txt", "C:/out.txt"):
        path = rewritten(whole, tmp_path / "a.zip", lambda files, name=name: files.update({name: b"x"}))
        said = reproduce(path, "--to", "here", code=2)
        assert said.startswith("error: ") and "legal" in said
    assert not list(tmp_path.rglob("out.txt")) and not (tmp_path / "here").exists()


def test_an_archive_that_unpacks_to_a_disk_full_is_refused(whole, reproduce, tmp_path):
    path = rewritten(
        whole, tmp_path / "a.zip", lambda files: files.update({"study/big": bytes(zipped.WORTH_A_LOOK + 1)})
    )
    assert path.stat().st_size < zipped.WORTH_A_LOOK
    assert "bytes packed as" in reproduce(path, "--to", "here", code=2) and not (tmp_path / "here").exists()


def test_code_in_an_archive_runs_only_where_you_say_so(whole, reproduce, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", with_code)
    said = reproduce(path, "--to", "here", code=2)
    assert "found Python files of its authors' own, study/tasks/mine.py" in said and "--trust-code" in said
    assert not list(tmp_path.rglob("ran")) and not (tmp_path / "here").exists()


def test_a_file_of_an_archive_that_is_not_what_its_list_says_is_refused(whole, reproduce, tmp_path):
    def change(files: dict[str, bytes]) -> None:
        name = next(n for n in files if n.startswith("study/") and n.endswith("study.yaml"))
        files[name] += b"\n# more\n"

    said = reproduce(rewritten(whole, tmp_path / "a.zip", change, relist=False), "--to", "here", code=2)
    assert said.startswith("error: ") and not (tmp_path / "here").exists()


def test_a_result_of_an_archive_that_is_made_up_whole_is_data_that_nothing_tells_from_a_true_one(
    whole, reproduce, tmp_path
):
    def change(files: dict[str, bytes]) -> None:
        name = next(n for n in files if n.startswith("artifacts/judge/") and n.endswith("annotations.json"))
        folder = name.rpartition("/")[0]
        files[name] = b'[{"preference": 2.0}]'
        entries = json.loads(files[f"{folder}/manifest.json"])
        entries["annotations.json"] = {"size": 21, "sha256": hashlib.sha256(files[name]).hexdigest()}
        files[f"{folder}/manifest.json"] = json.dumps(entries).encode()

    said = reproduce(rewritten(whole, tmp_path / "a.zip", change), "--to", "here")
    assert "0 differ" in said and [p for p in tmp_path.rglob("annotations.json") if p.stat().st_size == 21]


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system ['touch ran']", "!!python/name:os.system", "!run x"]
)
def test_a_study_file_makes_no_objects(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadStudy, match="legal"):
        read(tmp_path, STUDY.replace("seeds: [1, 2]", f"seeds: {value}"))
    assert not (tmp_path / "ran").exists()


def test_a_study_that_stands_for_more_than_memory_holds_is_refused(tmp_path):
    refused(tmp_path, "seeds: [1, 2]", f"seeds: {list(range(30_000))}", "max_cells")
    laughs = "x0: &x0 [1, 1]\n" + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(BadStudy, match="500,000 are legal"):
        read(tmp_path, laughs + STUDY)


@pytest.mark.parametrize("name", ["$(touch ran)", "x; touch ran", "../x", "`touch ran`", "x y", "-rf"])
def test_a_name_of_a_study_is_no_command_and_no_path(name, tmp_path):
    refused(tmp_path, "name: small", f"name: '{name}'", "letters, digits")
    refused(tmp_path, "  a: {", f"  '{name}': {{", "letters, digits")
    refused(tmp_path, "  sum: {", f"  '{name}': {{", "letters, digits")


def test_a_text_of_a_study_steers_no_terminal(tmp_path):
    with pytest.raises(BadStudy) as caught:
        read(tmp_path, STUDY + '"a\\e[31mb": 1\n')
    assert "\x1b" not in str(caught.value)
    (tmp_path / "t.csv").write_text(",".join(header([])) + "\n")
    assert "\x1b" not in table_view.table_text(tmp_path / "t.csv", "\x1b[2Jnotes\u202e", 80)


def test_a_pipe_or_a_device_that_a_study_names_is_not_read(tmp_path):
    for path in ("/dev/zero", "/dev/stdin"):
        refused(tmp_path, "ins: {from: toy}", f"ins: {{path: {path}}}", "no file|pipe or a device|directory")


def test_a_study_names_no_address_and_no_key():
    for name in plugins.names(plugins.JUDGES):
        for field in dataclasses.fields(plugins.ours(plugins.JUDGES, name).Options):
            assert not re.search("url|address|endpoint|host|key|token$", field.name), (name, field.name)


def test_code_beside_a_study_runs_only_if_the_study_names_it(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    line = [sys.executable, layout.LAUNCH / "sweep.py", tmp_path / "study.yaml", "--dry-run", "--store", tmp_path / "s"]
    subprocess.run([*map(str, line)], capture_output=True, timeout=100)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "study.yaml").write_text(STUDY.replace("ins: {from: toy}", "ins: {from: mine}"))
    subprocess.run([*map(str, line)], capture_output=True, timeout=100)
    assert (tmp_path / "ran").exists()
