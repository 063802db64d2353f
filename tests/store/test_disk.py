"""A disk that is full, failing or away: what is told of it, who makes a store anew, and what a power cut leaves."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.hurt_disk import unsynced
from tests.chaos.shim import build_shim
from tests.conftest import ROOT
from winsweep.store import disk
from winsweep.store.lookup import LABEL
from winsweep.store.store import Store

CLAIMS = """\
import os, sys
from pathlib import Path
from winsweep.store.store import Store
store = Store(Path(sys.argv[1])).open()
claim = store.claim("finetune/0123456789ab", "a@1@1.00@t", lambda name: True)
(claim.out / "model").write_text("weights")
store.publish("finetune/a-0123456789ab", claim)
claim.end({"kind": "done"})
os._exit(0)
"""


def test_a_store_that_is_moved_or_not_mounted_is_not_made_anew_by_whoever_works_in_it(tmp_path):
    for root in (tmp_path / "gone", tmp_path):  # an empty folder is what a disk is mounted on
        with pytest.raises(OSError, match="not mounted") as raised:
            Store(root).open(is_made=True)
        assert raised.value.errno == errno.ESTALE and not list(tmp_path.iterdir())
    moved = Store(tmp_path / "runs").open()
    moved.root.rename(tmp_path / "moved")
    with pytest.raises(OSError, match="not mounted"):
        moved.claim("submit/study", "a@1@1.00@t", lambda name: True)
    assert not moved.root.exists() and Store(tmp_path / "moved").open(is_made=True)


def test_what_a_disk_says_is_told_with_what_to_do_and_any_other_error_is_raised(tmp_path):
    said = disk.words(OSError(errno.EROFS, "Read-only file system", "/runs/store.json"), tmp_path)
    assert said.startswith("/runs/store.json: found Read-only file system; ") and "type the same again" in said
    with pytest.raises(FileNotFoundError):
        disk.words(FileNotFoundError(errno.ENOENT, "No such file", "study.yaml"), tmp_path)
    gone = FileNotFoundError(errno.ENOENT, "No such file", f"{tmp_path}/.work/arrays/x/map.json")
    assert "type the same again" in disk.words(gone, tmp_path)


def test_a_power_cut_takes_nothing_of_a_claim_a_result_and_an_end_record(tmp_path):
    if not sys.platform.startswith("linux") or not build_shim(tmp_path):
        pytest.skip("needs Linux and a C compiler")
    (tmp_path / "control").write_bytes(bytes(8))
    (tmp_path / "unsynced").touch()
    root = tmp_path / "runs"
    shim = {"LD_PRELOAD": f"{tmp_path}/shim.so", "CHAOS_SHIM": str(tmp_path), "CHAOS_STORE": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMS, str(root)], env={**shim, "PYTHONPATH": str(ROOT / "src")}
    ) as process:
        assert process.wait(timeout=60) == 0
    noted = (tmp_path / "unsynced").read_text()
    of = {p.stat().st_ino: p.relative_to(root).as_posix() for p in root.rglob("*") if Path(p).is_file()}
    assert noted.count("W ") >= 5
    lost = [of[inode] for inode in unsynced(noted, process.pid) if inode in of]
    assert [name for name in lost if not name.endswith(f"/{LABEL}")] == []  # a hint, without which more is looked at
