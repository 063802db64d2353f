"""Claims, end records and what lies beside them, written by another user: read as absent or as damaged, with words;
never a traceback, never the end of an artifact for ever.
"""

import json
import os
import socket
import time

import pytest

from tests.store.test_store import ARTIFACT
from winsweep.attempt import endings, history, retry
from winsweep.attempt.ranks import RankRegistry
from winsweep.errors import BadData, Damaged, WinsweepError
from winsweep.store import liveness
from winsweep.store.store import Store

from .forged import BYTES, CLAIMS, ENDS, NAMES, SPECIAL, special

KEY = ARTIFACT.key
END = {"kind": "killed", "reason": "x", "progress": 0}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store").open()


def forge(store: Store, name: str, data: bytes) -> None:
    path = store.work(KEY) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def looked_at(store: Store) -> None:
    """Everything that a launcher, a status and an attempt ask of the attempts at an artifact."""
    heartbeat = store.work(KEY) / "heartbeat"
    assert isinstance(history.failures(store, [KEY]), dict) and isinstance(history.so_far(store, KEY), str)
    assert all(isinstance(end, retry.End) for end in history.ends(store, KEY))
    history.waits(store, [KEY])
    history.lacking(store, KEY)
    store.holder(KEY, lambda name: liveness.alive(name, heartbeat))
    store.was_claimed(KEY, "slurm-1_0")
    store.ended(KEY)
    endings.progress_of(store.work(KEY))


def made(store: Store) -> int:
    """The number of the attempt that makes the artifact all the same."""
    heartbeat = store.work(KEY) / "heartbeat"
    claim = store.claim(KEY, liveness.owner("mine"), lambda name: liveness.alive(name, heartbeat))
    endings.explain_predecessor(store, KEY, claim, "mine")
    (claim.out / "record.json").write_text("{}")
    store.publish(ARTIFACT.name, claim)
    claim.end({"kind": "done"})
    assert store.has(KEY)
    return claim.number


@pytest.mark.parametrize("name", CLAIMS)
def test_a_forged_claim_is_nobodys(name, store):
    forge(store, "claims/000001", CLAIMS[name].replace(b"HOST", socket.gethostname().encode()))
    looked_at(store)
    assert made(store) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_number_of_ours_is_no_claim(name, store):
    forge(store, f"claims/{name}", b"nobody")
    looked_at(store)
    assert made(store) == 1


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("at", ["claims/000001", "ends/000001.json", "heartbeat", "progress.json", "ends/x.cancelled"])
def test_what_is_no_file_is_neither_waited_for_nor_followed(at, kind, store):
    if at != "claims/000001":
        forge(store, "claims/000001", b"nobody")
    special(kind, store.work(KEY) / at)
    looked_at(store)
    if at == "heartbeat" and "link" in kind:
        with pytest.raises(WinsweepError, match="found a link to"):
            made(store)
    else:
        assert made(store) == 2


@pytest.mark.parametrize("name", [*BYTES, *ENDS])
def test_a_forged_end_record_is_that_of_an_attempt_that_was_killed(name, store):
    forge(store, "claims/000001", b"nobody")
    said = BYTES[name] if name in BYTES else json.dumps(ENDS[name]).encode()
    forge(store, "ends/000001.json", said)
    looked_at(store)
    found = store.end_of(KEY, 1)
    if name == "waiting for years":
        assert history.waits(store, [KEY]) == {}  # so it may begin now
    else:
        assert (found["kind"], found["reason"]) == ("killed", "its end record cannot be read")
    assert history.failures(store, [KEY]) == {} and made(store) == 2


def test_three_damaged_ends_in_a_row_are_told_and_a_person_can_go_on(store):
    for number in (1, 2, 3):
        forge(store, f"claims/{number:06d}", b"nobody")
        forge(store, f"ends/{number:06d}.json", b"\0")
    assert "its end record cannot be read (3 attempts in a row" in history.failures(store, [KEY])[KEY]
    history.forgive(store, [KEY])
    assert history.failures(store, [KEY]) == {} and made(store) == 4


@pytest.mark.parametrize("name", [*BYTES, "done of a list", "done below 0", "done of NaN"])
def test_forged_progress_is_none(name, store):
    more = {"done of a list": b'{"done": []}', "done below 0": b'{"done": -1}', "done of NaN": b'{"done": NaN}'}
    forge(store, "progress.json", BYTES.get(name) or more.get(name, b""))
    assert endings.progress_of(store.work(KEY)) == 0
    looked_at(store)


@pytest.mark.parametrize("name", [*BYTES, "number of a text", "number below 0"])
def test_a_leader_that_announced_nothing_is_waited_for_no_longer_than_asked(name, store):
    more = {"number of a text": b'{"number": "../x"}', "number below 0": b'{"number": -1}'}
    registry = RankRegistry(store.work(KEY), "t")
    forge(store, "ranks-t/claim.json", BYTES[name] if name in BYTES else more[name])
    with pytest.raises(WinsweepError, match="rank 0 did not claim"):
        registry.await_leader(0.06)


def test_a_claim_far_ahead_costs_no_more_than_one_more_file(store):
    forge(store, "claims/500000", b"nobody")
    assert len(history.over(store, KEY)) == 1
    history.forgive(store, [KEY])
    assert len(os.listdir(store.work(KEY) / "ends")) == 0 and made(store) == 500001


def test_a_claim_beyond_all_numbers_is_told(store):
    forge(store, "claims/999999", b"nobody")
    looked_at(store)
    with pytest.raises(BadData, match=r"found claim 999999, which no attempt of ours has made; .*remove it"):
        made(store)
    (store.work(KEY) / "claims/999999").unlink()
    assert made(store) == 1


def test_a_heartbeat_of_the_next_century_is_none(store):
    forge(store, "heartbeat", b"")
    os.utime(store.work(KEY) / "heartbeat", (5e9, 5e9))
    assert not liveness.alive("elsewhere@1@1.00@t", store.work(KEY) / "heartbeat")
    os.utime(store.work(KEY) / "heartbeat", (time.time() + 3600, time.time() + 3600))  # a clock that is an hour ahead
    assert liveness.alive("elsewhere@1@1.00@t", store.work(KEY) / "heartbeat")


@pytest.mark.parametrize("at", ["", "/claims", "/ends", "/state-000001"])
def test_a_file_in_the_place_of_a_folder_is_told(at, store):
    path = store.root / f".work/{KEY}{at}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    looked_at(store)
    with pytest.raises(BadData, match="found a file.*move it away"):
        made(store)


@pytest.mark.parametrize("name", [*BYTES, "format of a text", "format below 0"])
def test_a_forged_mark_of_the_store_is_told(name, store):
    more = {"format of a text": b'{"format": "1"}', "format below 0": b'{"format": -1}'}
    (store.root / "store.json").write_bytes(BYTES[name] if name in BYTES else more[name])
    with pytest.raises(Damaged, match=r"store\.json: found no format in it; .*remove it"):
        Store(store.root).open()


def test_a_link_that_waits_for_a_claim_to_be_written_gets_nothing(store, tmp_path):
    owner, outside = liveness.owner("mine"), tmp_path / "outside"
    (store.work(KEY) / "claims").mkdir(parents=True)
    (store.work(KEY) / f"claims/.{owner}").symlink_to(outside)
    claim = store.claim(KEY, owner, lambda _: False)
    assert claim.number == 1 and not outside.exists()
