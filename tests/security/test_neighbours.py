"""What else others could do in a store: links, manifests, batches, turns, judgements of the right form, edited studies,
records that explain.
"""

import json
import os
from pathlib import Path

import pytest

from tests.core.small_study import STUDY
from tests.store.test_links import DOORS, listing, outside, store
from tests.store.test_store import ARTIFACT, published
from winsweep.artifact import Artifact
from winsweep.errors import BadData, Busy, Damaged, LinkInStore, NotFound, WinsweepError
from winsweep.judge import batch_records
from winsweep.judge.batch_turn import Turn
from winsweep.slurm import finalizer, pending_finalizers
from winsweep.store import liveness, manifest, siblings
from winsweep.workspace import open_workspace

from .forged import BYTES, QUESTION, SPECIAL, TOLD, special
from .test_forged_ledger import good, opened, written

__all__ = ["outside", "store"]
KEY, TOKEN = ARTIFACT.key, "a" * 32


@pytest.mark.parametrize(("at", "to", "act"), DOORS, ids=[f"{n}-{at}" for n, (at, *_) in enumerate(DOORS)])
def test_links_in_a_store_are_refused(at, to, act, store, outside):
    (store.root / at).parent.mkdir(parents=True, exist_ok=True)
    (store.root / at).symlink_to(outside / to)
    before = listing(outside)
    with pytest.raises(LinkInStore, match=r"found a link to .*; remove the link"):
        act(store)
    assert listing(outside) == before


MANIFESTS = {
    "a way out": {"../../x": {"size": 1, "sha256": "0"}},
    "an absolute name": {"/etc/passwd": {"size": 1, "sha256": "0"}},
    "a NUL": {"a\0b": {"size": 1, "sha256": "0"}},
    "half a letter": {"\ud800": {"size": 1, "sha256": "0"}},
    "no name": {"": {"size": 1, "sha256": "0"}},
    "a name that no disk has": {"a" * 300: {"size": 1, "sha256": "0"}},
    "a line break": {"a\nb": {"size": 1, "sha256": "0"}},
    "a list": {"data.txt": [1]},
    "no entry": {"data.txt": None},
    "a size of a text": {"data.txt": {"size": "5", "sha256": "0"}},
    "no sum": {"data.txt": {"size": 5}},
    "another file": {"other.txt": {"size": 5, "sha256": "0"}},
}


@pytest.mark.parametrize("name", [*MANIFESTS, *(name for name in BYTES if name != "empty mapping")])
def test_a_forged_manifest_is_damaged(name, store):
    made = published(store)
    (made / "manifest.json").write_bytes(BYTES[name] if name in BYTES else json.dumps(MANIFESTS[name]).encode())
    with pytest.raises(Damaged) as e:
        manifest.verify(made)
    assert str(made) in str(e.value) and str(e.value).isprintable()


@pytest.mark.parametrize(("name", "kind"), [(name, k) for name in ("manifest.json", "data.txt") for k in SPECIAL][:-1])
def test_what_is_no_file_in_a_result_is_damage(name, kind, store):
    made = published(store)
    (made / name).unlink()
    special(kind, made / name)
    with pytest.raises((Damaged, NotFound, OSError), match="manifest|Is a directory|Too many levels"):
        manifest.verify(made)


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("where", ["record.json", "spec.json"])
def test_why_a_result_is_another_one_is_not_told_by_forged_records(name, where, store):
    made = published(store)
    at = made / where if where == "record.json" else store.work(KEY) / where
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(BYTES[name])
    for told in ({}, {"files": [], "inputs": 7}, {"params": [], "inputs": {"a": 7}}):
        assert siblings.earlier_files(store, KEY) == {}
        found = siblings.nearest(Artifact("make", 1, "thing", {"x": 2}), store)
        assert found is None or found[0] == made.name
        at.write_text(json.dumps(told))


def test_a_claim_that_a_live_process_holds_is_named(store):
    theirs = liveness.owner("theirs")
    (store.work(KEY) / "claims").mkdir(parents=True)
    (store.work(KEY) / "claims/000001").write_text(theirs)
    with pytest.raises(Busy, match=f"{KEY}: is being built by {theirs}"):
        store.claim(KEY, "mine", liveness.alive)
    (store.work(KEY) / "claims/000001").unlink()
    assert store.claim(KEY, "mine", liveness.alive).number == 1


def test_a_judgement_that_is_made_up_well_is_read(tmp_path):
    """What cannot be prevented where others may write: docs/explanation/security.md says so."""
    written(tmp_path, good(100))
    assert opened(tmp_path).find([QUESTION]) == {QUESTION: TOLD}


@pytest.mark.parametrize("name", [*BYTES, *SPECIAL])
def test_a_forged_record_of_a_batch_is_named(name, tmp_path):
    path = tmp_path / f"{TOKEN}.json"
    path.write_bytes(BYTES[name]) if name in BYTES else special(name, path)
    with pytest.raises(WinsweepError, match=rf"{TOKEN}\.json: found .*(move it away|remove the link)"):
        batch_records.records(tmp_path)
    path.rename(tmp_path / "other.json") if not path.is_symlink() else path.unlink()
    assert batch_records.records(tmp_path) == []


@pytest.mark.parametrize("name", [*BYTES, *(kind for kind in SPECIAL if "link" not in kind)])
def test_questions_of_a_batch_that_cannot_be_read_are_told(name, tmp_path):
    path = tmp_path / f"{TOKEN}.keys"
    path.write_bytes(BYTES[name]) if name in BYTES else special(name, path)
    with pytest.raises(BadData, match="which questions the batch has cannot be read"):
        batch_records.keys_of(tmp_path, TOKEN)


@pytest.mark.parametrize("name", [*BYTES, *SPECIAL])
def test_a_forged_turn_is_told_and_one_of_another_name_is_none(name, tmp_path):
    path = tmp_path / "turns/000007"
    path.parent.mkdir()
    path.write_bytes(BYTES[name]) if name in BYTES else special(name, path)
    with pytest.raises(BadData, match=r"000007: found nobody's name in it; .*move it away"), Turn(tmp_path):
        pass
    os.rename(path, path.with_name("0000007"))
    with Turn(tmp_path) as is_ours:
        assert is_ours


def test_a_study_that_was_edited_after_it_was_submitted_stops(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/squeue").write_text("#!/bin/sh\n")  # an empty queue
    (tmp_path / "bin/squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    before = open_workspace(path, tmp_path / "runs")
    told = {"study": str(path), "name": "small", "cells": sorted(before.judged), **pending_finalizers.asked(before)}
    assert not finalizer.edited(before, told, "7")
    path.write_text(STUDY.replace("epochs: 5", "epochs: 6"))
    after = open_workspace(path, tmp_path / "runs")
    assert finalizer.edited(after, told, "7")
    assert "was edited after it was submitted" in "".join(p.read_text() for p in Path(tmp_path).rglob("*.json"))
