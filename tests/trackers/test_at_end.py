"""`track:` of a cluster file at the end of a run on this machine, what was uploaded already, and what is told where
something is missing.
"""

import importlib.util
import os
import subprocess
import time

import pytest

from tests.trackers import readers
from tests.trackers.conftest import Desk, rows_of
from winsweep.trackers import tracking
from winsweep.workspace import open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # their libraries' own
needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason="pip install 'winsweep[trackers]'")
    for name in tracking.NAMES
}


def broken(folder, monkeypatch, name: str, text: str) -> None:
    """A package of that name that is found before the real one."""
    (folder / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


@needs["tensorboard"]
def test_a_run_on_this_machine_writes_at_its_end_and_no_tracker_fails_it(tmp_path, desk, monkeypatch):
    (tmp_path / "c.yaml").write_text("kind: local\ntrack: [tensorboard, wandb, trackio]\n")
    broken(tmp_path, monkeypatch, "wandb", "raise ImportError('no wandb here')\n")
    (tmp_path / "trackio").mkdir()
    (tmp_path / "trackio/__init__.py").write_text("")
    (tmp_path / "trackio/sqlite_storage.py").write_text("raise RuntimeError('key s3cr3t-s3cr3t \\x1b[31m')\n")
    monkeypatch.setenv("MY_API_KEY", "s3cr3t-s3cr3t")
    said = desk.sweep("--cluster", str(tmp_path / "c.yaml"))
    assert "track tensorboard: 4 runs written; to look: tensorboard --logdir " in said
    assert "track wandb: tracker wandb: no wandb here; " in said and "type: pip install wandb" in said
    assert "key $MY_API_KEY" in said and "s3cr3t" not in said and "\x1b" not in said
    monkeypatch.undo()
    assert len(desk.read("tensorboard")) == 4


def test_a_tracker_that_hangs_is_given_up_with_all_that_it_started(tmp_path, desk, monkeypatch, capsys):
    hangs = "import subprocess, time\nsubprocess.Popen(['sleep', '4242'])\ntime.sleep(1000)\n"
    broken(tmp_path, monkeypatch, "wandb", hangs)
    workspace, begun = open_workspace(desk.study, desk.store), time.monotonic()
    tracking.at_end(workspace, ["wandb"], 5.0)
    assert time.monotonic() - begun < 30 and "track wandb: not done in 5 s; " in capsys.readouterr().err
    assert not subprocess.run(["pgrep", "-f", "sleep 4242"], capture_output=True, text=True).stdout


def test_an_unknown_tracker_is_told_which_there_are(desk):
    assert (
        "error: tracker: found 'wand'; legal: wandb, trackio, tensorboard, mlflow; did you mean wandb?"
        in desk.track("wand", code=2)
    )


@pytest.mark.parametrize("name", tracking.NAMES)
def test_a_missing_package_is_named_with_what_to_type(tmp_path, desk, monkeypatch, name):
    broken(tmp_path, monkeypatch, name, f"raise ImportError('no {name} here')\n")
    said = desk.track(name, code=2)
    assert said.startswith(f"error: tracker {name}: ") and f"type: pip install {name}" in said
    assert "Traceback" not in said


@needs["tensorboard"]
def test_a_link_in_the_store_is_not_followed(tmp_path, desk):
    (tmp_path / "elsewhere").mkdir()
    (desk.store / ".trackers").symlink_to(tmp_path / "elsewhere")
    assert "found a link" in desk.track("tensorboard", code=2) and not list((tmp_path / "elsewhere").iterdir())


@needs["tensorboard"]
def test_an_event_file_that_was_cut_by_a_kill_is_mended(desk):
    attempt = desk.unfinished("sum")
    attempt.come_to(attempt.lines[:4])
    desk.track("tensorboard")
    (file,) = (desk.store / ".trackers/tensorboard/small").glob(f"*/*-{attempt.id}/*.figures")
    file.write_bytes(file.read_bytes()[:-7])
    attempt.come_to(attempt.lines)
    desk.track("tensorboard")
    assert [row["step"] for row in desk.read("tensorboard")[attempt.id].rows] == [1, 2, 3, 4, 5, 6]


@needs["wandb"]
def test_what_wandb_has_uploaded_stays_and_only_new_steps_follow(desk: Desk):
    attempt = desk.unfinished("sum")
    attempt.come_to(attempt.lines[:3])
    desk.track("wandb")
    folders = desk.store / ".trackers/wandb/small/wandb"
    (first,) = folders.glob(f"*-{attempt.id}")
    (first / f"run-{attempt.id}.wandb.synced").touch()  # as wandb sync leaves it
    before = {p: p.read_bytes() for p in first.rglob("*") if p.is_file() and p.suffix != ".log"}
    for num in (5, 6):  # what is not uploaded is replaced
        attempt.come_to(attempt.lines[:num])
        desk.track("wandb")
        assert {p: p.read_bytes() for p in first.rglob("*") if p.is_file() and p.suffix != ".log"} == before
        assert len(list(folders.glob(f"*-{attempt.id}"))) == 2
    attempt.log.with_name("whole.jsonl").write_bytes(b"".join(attempt.lines))
    assert desk.read("wandb")[attempt.id].rows == rows_of(attempt.log.with_name("whole.jsonl"), "wandb")


@needs["wandb"]
def test_a_wandb_directory_that_a_kill_left_without_its_list_is_uploaded_by_nobody(desk: Desk):
    desk.track("wandb")
    before = {id: run.rows for id, run in desk.read("wandb").items()}
    for folder in (desk.store / tracking.FOLDER / "wandb/small/wandb").glob("offline-run-*"):
        (folder / "winsweep.json").unlink()
        folder.rename(folder.with_name(folder.name.replace("run-2", "run-1")))  # as of an earlier day
    desk.track("wandb")
    assert {id: run.rows for id, run in desk.read("wandb").items()} == before


@needs["mlflow"]
def test_mlflow_writes_to_the_store_that_its_variable_names_and_does_not_print_it(tmp_path, desk, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'theirs' / 'mlflow.db'}")
    (tmp_path / "theirs").mkdir()
    said = desk.track("mlflow")
    assert '--backend-store-uri "$MLFLOW_TRACKING_URI"' in said and "theirs" not in said
    assert len(readers.mlflow(tmp_path / "theirs", "small")) == 4
