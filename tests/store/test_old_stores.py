"""Stores that earlier versions made are read by this one: by fsck, status, report, the dry run, prune and archive.

The fixtures were made by running the code of the day in their name; hosts and folders are replaced, weights left out.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.store import finished_store
from winsweep.archive import incoming, packing
from winsweep.fsck import whole
from winsweep.store import manifest
from winsweep.store.store import Store
from winsweep.workspace import open_workspace

ROOT = Path(__file__).resolve().parents[2]
STORES = sorted((Path(__file__).parent / "old_stores").glob("*.zip"))
LATER = ("node", "placement", "notes", "system", "cpus", "device", "peak_memory_mb", "pid")  # fields of a record


@pytest.fixture(params=STORES, ids=lambda path: path.stem)
def old(request, tmp_path) -> Path:
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def command(name: str, folder: Path, *words: str, code: int = 0) -> str:
    store = () if name == "fsck" else (folder / "study.yaml", "--store")
    line = [sys.executable, ROOT / f"launch/{name}.py", *store, folder / "runs", *words]
    done = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_there_is_a_store_of_each_format():
    assert STORES


def test_a_store_of_an_earlier_version_is_sound_and_can_be_used(old):
    before = Store(old / "runs").published()
    assert before and whole.check(Store(old / "runs"), 2).findings == []
    assert "sound" in command("fsck", old)
    assert "cells done; " in command("status", old)
    assert "pretrain/a-" in command("status", old, "--why", "a.ins.s1")
    assert "report: " in command("report", old, "--without-figures")
    assert "in 0 directories" not in command("prune", old)
    assert Store(old / "runs").published() == before


def test_records_without_later_fields_are_taken(tmp_path):
    made = finished_store.make(tmp_path)
    for path in made.store.published().values():
        told = json.loads((path / "record.json").read_bytes())
        (path / "record.json").write_text(json.dumps({k: v for k, v in told.items() if k not in LATER}))
        (path / manifest.NAME).unlink()
        manifest.seal(path)
    for path in made.store.root.glob(".work/*/*/spec.json"):
        told = json.loads(path.read_bytes())
        path.write_text(json.dumps({k: v for k, v in told.items() if k not in ("limits", "gates")}))
    for path in made.store.root.glob(".work/*/*/ends/*.json"):
        told = json.loads(path.read_bytes())
        path.write_text(json.dumps({k: v for k, v in told.items() if k in ("attempt", "kind", "reason", "owner")}))
    assert whole.check(made.store, 2).findings == []
    assert "4 of 4 cells done; table: " in command("status", tmp_path)
    assert "no study named here asks for it" not in command("prune", tmp_path)
    file = packing.pack(open_workspace(tmp_path / "study.yaml", made.store.root), tmp_path / "a.zip").file
    with incoming.read(file) as archive:
        assert incoming.bring(archive, Store(tmp_path / "other").open()).new > 0


def test_a_check_without_findings_is_as_one_that_is_not_there(tmp_path):
    made = finished_store.make(tmp_path)
    (check,) = made.store.root.glob("check/*")
    for told in (None, "", "[]", '{"findings": [{"what": 3}], "facts": {}}'):
        (check / "findings.json").unlink() if told is None else (check / "findings.json").write_text(told)
        assert "Traceback" not in command("sweep", tmp_path, "--dry-run")


def test_a_record_that_cannot_be_read_is_told_in_words(tmp_path):
    made = finished_store.make(tmp_path)
    (path,) = made.store.root.glob("finetune/a.ins.s1-*")
    (path / "record.json").write_text("[")
    other = (tmp_path / "study.yaml").read_text().replace("name: kept", "name: other").replace("[1, 2]", "[7]")
    (tmp_path / "study.yaml").write_text(other)
    said = command("prune", tmp_path, code=2)
    assert "record.json: cannot be read (JSONDecodeError); winsweep writes it whole; type: " in said
    assert "differs from the nearest finished one, a.ins.s2-" in command("status", tmp_path, "--why", "a.ins.s7")
