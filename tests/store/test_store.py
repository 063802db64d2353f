"""The store: whole directories, one winner, takeover after death, damage named before use."""

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from winsweep.artifact import Artifact
from winsweep.attempt.spec import make
from winsweep.errors import Busy, Damaged, MissingInput, NewerStore
from winsweep.placement import Placement
from winsweep.store import liveness, manifest
from winsweep.store.fingerprint import fingerprint
from winsweep.store.store import Store

ARTIFACT = Artifact("make", 1, "thing", {"x": 1})


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs").open()


def published(store: Store, owner: str = "me") -> Path:
    claim = store.claim(ARTIFACT.key, owner, alive=lambda _: False)
    (claim.out / "data.txt").write_text("whole")
    (claim.out / "record.json").write_text(json.dumps({"owner": owner}))
    return store.publish(ARTIFACT.name, claim)


def test_what_is_published_is_found_by_key_whatever_its_label(store):
    path = published(store)
    assert store.published() == {ARTIFACT.key: path} and store.find(ARTIFACT.key) == path
    path.rename(path.with_name(f"other-label-{ARTIFACT.digest}"))
    assert store.find(ARTIFACT.key).name.startswith("other-label")


def test_nothing_of_an_unfinished_attempt_is_published(store):
    claim = store.claim(ARTIFACT.key, "me", alive=lambda _: True)
    (claim.out / "data.txt").write_text("half")
    assert store.published() == {}
    with pytest.raises(MissingInput, match="the stage make has not finished it"):
        store.find(ARTIFACT.key)


def test_a_live_holder_keeps_others_out_and_a_dead_one_is_followed(store):
    first = store.claim(ARTIFACT.key, "one", alive=lambda _: True)
    with pytest.raises(Busy, match="being built by one"):
        store.claim(ARTIFACT.key, "two", alive=lambda owner: owner == "one")
    second = store.claim(ARTIFACT.key, "two", alive=lambda _: False)
    assert (first.number, second.number) == (1, 2) and not first.still_held()


def test_an_attempt_that_was_taken_over_publishes_nothing(store):
    first = store.claim(ARTIFACT.key, "one", alive=lambda _: True)
    store.claim(ARTIFACT.key, "two", alive=lambda _: False)
    first.out.mkdir(exist_ok=True)
    with pytest.raises(Busy, match="attempt 1 was taken over"):
        store.publish(ARTIFACT.name, first)
    assert store.published() == {}


def test_state_goes_with_the_claim_out_of_the_reach_of_whom_it_was_taken_from(store):
    first = store.claim(ARTIFACT.key, "one", alive=lambda _: True)
    (first.work / "kept").write_text("by the first")
    second = store.claim(ARTIFACT.key, "two", alive=lambda _: False)
    assert (second.work / "kept").read_text() == "by the first" and not first.work.exists() and not first.out.exists()
    third = store.claim(ARTIFACT.key, "three", alive=lambda _: False)
    again = type(second)(second.root, second.number, "two")  # the second comes late: it gets nothing of the third's
    assert (third.work / "kept").exists() and list(again.work.iterdir()) == []
    fourth = store.claim(ARTIFACT.key, "four", alive=lambda _: False)
    assert [p.name for p in fourth.root.glob("state-*")] == ["state-000004"] and (fourth.work / "kept").exists()


def test_a_result_that_is_taken_away_while_it_is_published_is_not_published_in_part(store, monkeypatch):
    first, rename = store.claim(ARTIFACT.key, "one", alive=lambda _: True), os.rename
    (first.out / "data.txt").write_text("whole")

    def late(old: Path, new: Path) -> None:
        # between its last look at its claim and the rename
        if old == first.out and not (first.root / "claims/000002").exists():
            store.claim(ARTIFACT.key, "two", alive=lambda _: False)
        rename(old, new)

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(Busy, match="published by None already"):
        store.publish(ARTIFACT.name, first)
    assert store.published() == {}


def test_the_second_publisher_loses_and_the_first_result_stays(store):
    path = published(store, "one")
    claim = store.claim(ARTIFACT.key, "two", alive=lambda _: False)
    (claim.out / "record.json").write_text(json.dumps({"owner": "two"}))
    with pytest.raises(Busy, match="published by one already"):
        store.publish(ARTIFACT.name, claim)
    assert (path / "data.txt").read_text() == "whole"


def test_an_attempt_that_ended_is_followed_although_its_process_lives_on(store):
    store.claim(ARTIFACT.key, "one", alive=lambda _: True).end({"kind": "application", "reason": "x"})
    assert store.holder(ARTIFACT.key, lambda _: True) is None
    assert store.end_of(ARTIFACT.key, 1)["kind"] == "application"
    assert store.claim(ARTIFACT.key, "two", alive=lambda _: True).number == 2
    assert store.end_of(ARTIFACT.key, 2) is None  # the second has not


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "add"])
def test_any_damage_is_caught_and_the_message_has_file_and_cure(store, damage):
    path = published(store) / "data.txt"
    if damage == "flip":
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    elif damage == "cut":
        os.truncate(path, 2)
    elif damage == "remove":
        path.unlink()
    else:
        path = path.with_name("extra.txt")
        path.write_text("new")
    spec = make(Artifact("use", 1, "it", {}, {"made": ARTIFACT}), store.root, Path("s.yaml"), {}, Placement())
    with pytest.raises(Damaged) as e:
        manifest.verify(path.parent, spec.rebuild(ARTIFACT.name))
    assert str(path) in str(e.value) and f"rm -r {store.root}/{ARTIFACT.name} && python launch/sweep.py s.yaml" in str(
        e.value
    )


def test_every_byte_counts(store):
    path = published(store) / "data.txt"
    whole = path.read_bytes()
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0x40]) + whole[i + 1 :])
        with pytest.raises(Damaged):
            manifest.verify(path.parent)
    path.write_bytes(whole)
    manifest.verify(path.parent)


@pytest.fixture
def large(tmp_path, monkeypatch) -> Path:
    """Files that are large enough to be read by threads, on a machine of four cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(manifest, "WORTH_THREADS", 1 << 12)
    for i in range(9):
        (tmp_path / f"large/{i}/file").parent.mkdir(parents=True)
        (tmp_path / f"large/{i}/file").write_bytes(os.urandom(1 << 10))
    return tmp_path / "large"


def test_files_are_read_at_once(large):
    meet = threading.Barrier(3, timeout=30)  # passed by three threads together, or broken
    files = manifest.files_of(large)
    found = list(manifest.each(lambda path: meet.wait() is not None and path.parent.name, files))
    assert found == [str(i) for i in range(9)]


def test_what_threads_read_is_what_one_by_one_reads(large):
    manifest.seal(large)
    manifest.verify(large)
    entries = manifest.read(large)
    assert list(entries) == [f"{i}/file" for i in range(9)]
    for name, entry in entries.items():
        assert entry == manifest.entry_of((large / name).read_bytes())
    one_by_one = [[name, entry["sha256"]] for name, entry in entries.items()]
    (large / manifest.NAME).unlink()
    assert fingerprint(large) == hashlib.sha256(json.dumps(one_by_one).encode()).hexdigest()


def test_the_first_damaged_file_is_named_whichever_thread_is_first(large):
    manifest.seal(large)
    (large / "8/file").write_bytes(b"")
    (large / "3/file").unlink()
    (large / "4/file").write_bytes(b"x")
    with pytest.raises(Damaged, match=r"3/file: found no file"):
        manifest.verify(large)


def test_what_was_digested_when_it_was_written_is_not_read_again(large):
    """Nor is it looked at: the entry is the writer's word, which the next verification holds it to."""
    (large / "0/file").chmod(0)
    known = {"0/file": {"size": 1024, "sha256": "0" * 64}}
    manifest.seal(large, known)
    assert manifest.read(large)["0/file"] == known["0/file"] and len(manifest.read(large)) == 9
    (large / "0/file").chmod(0o600)
    with pytest.raises(Damaged, match="0/file"):
        manifest.verify(large)


def test_a_store_of_a_newer_format_is_left_alone(tmp_path):
    Store(tmp_path).open()
    (tmp_path / "store.json").write_text('{"format": 2}')
    with pytest.raises(NewerStore, match="found store format 2; this winsweep reads up to 1"):
        Store(tmp_path).open()


def test_a_stale_directory_makes_room_unless_it_changed_meanwhile(store):
    path = published(store)
    seen = store.stamp(path)
    (path / "manifest.json").write_text("{}")
    store.retire(ARTIFACT, seen)
    assert path.exists()
    store.retire(ARTIFACT, store.stamp(path))
    assert not path.exists() and store.published() == {}


def test_liveness_tells_a_process_from_its_successor():
    me = liveness.owner("t")
    assert liveness.alive(me)
    host, pid, started, token = me.split("@")
    assert not liveness.alive(f"{host}@{pid}@{float(started) - 5:.2f}@{token}")
    assert not liveness.alive(f"{host}@999999999@{started}@{token}")


def test_an_owner_on_another_host_lives_by_its_heartbeat(tmp_path):
    other = "elsewhere@1@2.00@t"
    assert not liveness.alive(other, tmp_path / "heartbeat")
    (tmp_path / "heartbeat").touch()
    assert liveness.alive(other, tmp_path / "heartbeat")
    os.utime(tmp_path / "heartbeat", (1, 1))
    assert not liveness.alive(other, tmp_path / "heartbeat")


def test_two_digests_are_seen_to_differ(store):
    path = published(store)
    listing = json.loads((path / "manifest.json").read_bytes())
    right = listing["data.txt"]["sha256"]
    listing["data.txt"]["sha256"] = right[:40] + ("0" if right[40] != "0" else "1") + right[41:]
    (path / "manifest.json").write_text(json.dumps(listing))
    with pytest.raises(
        Damaged, match=r"found 5 bytes, sha256 ([0-9a-f]*)…; its manifest says 5 bytes, sha256 (?!\1)[0-9a-f]{44}…"
    ):
        manifest.verify(path)


@pytest.mark.parametrize("text", ["[]", "7", '{"data.txt": 7}', '{"data.txt": {"size": 1}}', "["])
def test_a_manifest_that_is_none_is_damage(text, store):
    path = published(store)
    (path / "manifest.json").write_text(text)
    with pytest.raises(Damaged):
        manifest.verify(path)
