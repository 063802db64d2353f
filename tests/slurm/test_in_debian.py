"""Another Debian in a folder: a download that breaks off leaves no mount and goes on, and two runs do not share it."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import TESTBED

NOWHERE = "http://127.0.0.1:9/debian"
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap") or not shutil.which("unshare"),
    reason="wants root, debootstrap and unshare",
)


def in_debian(folder: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, TESTBED / "in_debian", "--folder", folder, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_mirror_that_is_not_there_is_told_and_nothing_stays_mounted(tmp_path):
    for _ in range(2):
        done = in_debian(tmp_path, "--mirror", NOWHERE, "trixie", "--", "true")
        assert done.returncode == 1 and NOWHERE in done.stderr and "type the same again" in done.stderr, done.stderr
    assert not (tmp_path / "root").exists() and str(tmp_path) not in Path("/proc/mounts").read_text()


def test_a_folder_that_another_run_uses_is_left_alone(tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = in_debian(tmp_path, "trixie", "--", "true")
    assert done.returncode == 1 and "another run uses it" in done.stderr, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["lock"]
