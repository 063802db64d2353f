"""How commands end that something stops: in words, whatever the terminal's encoding, the path or the pipe is."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.core.small_study import STUDY
from winsweep import command_end
from winsweep.graph import load

COMMANDS = sorted(path.stem for path in (ROOT / "launch").glob("*.py"))
ASCII = {"PYTHONIOENCODING": "ascii"}


def typed(folder: Path, command: str, *words: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / f"launch/{command}.py", *words],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_in_words(command):
    module = load(ROOT / f"launch/{command}.py", "tests.launched")
    assert hasattr(module.main, "__wrapped__"), f"launch/{command}.py: main is without @command_end.told"


def test_what_an_encoding_lacks_is_printed_by_its_number(tmp_path):
    (tmp_path / "ä").mkdir()
    (tmp_path / "ä/study.yaml").write_text(STUDY)
    done = typed(tmp_path / "ä", "sweep", "study.yaml", "--dry-run", **ASCII)
    assert "Traceback" not in done.stderr and "\\xe4/runs" in done.stdout and "to run it" in done.stdout
    told = typed(tmp_path, "status", "--help", **ASCII)
    assert told.returncode == 0 and "STUDY.yaml" in told.stdout and not told.stderr


def test_a_store_that_is_a_circle_of_links_is_told(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "loop").symlink_to("loop")
    done = typed(tmp_path, "sweep", "study.yaml", "--dry-run", "--store", "loop")
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "loop" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_current_directory_that_is_gone_is_told(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} {ROOT}/launch/sweep.py study.yaml --dry-run"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "the current directory is not there any more" in done.stderr


def raising(error: BaseException) -> int:
    def main() -> int:
        raise error

    return command_end.told(main)()


def test_ends_that_a_command_does_not_word_itself(capsys):
    assert raising(KeyboardInterrupt()) == 130 and "stopped" in capsys.readouterr().err
    said = OSError(errno.EACCES, "Permission denied", "/x/a\x1bb")
    assert raising(said) == 2
    assert "/x/a<U+001B>b: found Permission denied; " in (words := capsys.readouterr().err) and "\x1b" not in words
    for ours in (OSError(errno.EBADF, "Bad file descriptor"), ValueError("ours")):
        with pytest.raises(type(ours)):
            raising(ours)


def test_a_report_is_written_over_no_study_and_no_data(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    done = typed(tmp_path, "report", "study.yaml", "--out", "study.yaml")
    assert done.returncode == 2 and "ends in .html is legal" in done.stderr
    assert (tmp_path / "study.yaml").read_text() == STUDY


def test_an_empty_path_is_not_the_current_directory(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    done = typed(tmp_path, "sweep", "study.yaml", "--store", "")
    assert done.returncode == 2 and "argument --store: found an empty path" in done.stderr
    assert os.listdir(tmp_path) == ["study.yaml"]


def test_batch_scripts_go_only_where_a_folder_can_be_made(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    done = typed(tmp_path, "sweep", "study.yaml", "--cluster", "gpu", "--emit", "study.yaml/x")
    assert done.returncode == 2 and "Traceback" not in done.stderr and "study.yaml/x" in done.stderr
