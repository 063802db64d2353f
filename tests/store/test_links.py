"""A link in a store leads nobody out of it: nothing behind one is removed, moved or written over, and the error says
which link it is.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.test_store import ARTIFACT, published
from winsweep.attempt import arrays, fork_server, history
from winsweep.attempt import spec as specs
from winsweep.errors import LinkInStore, WinsweepError
from winsweep.judge.ledger import Ledger
from winsweep.judge.limits import Limits
from winsweep.judge.pacing import Pacing
from winsweep.judge.questions import Judgement, Question
from winsweep.local.local import Local
from winsweep.placement import Placement
from winsweep.results import write_if_new
from winsweep.slurm.code_snapshot import take_snapshot
from winsweep.store import liveness, manifest
from winsweep.store.fingerprint import Fingerprints
from winsweep.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
KEY = ARTIFACT.key
SPEC = specs.make(ARTIFACT, Path("store"), Path("s.yaml"), {}, Placement())


@pytest.fixture
def outside(tmp_path) -> Path:
    """Somebody's folder, with whatever winsweep may take for its own."""
    folder = tmp_path / "outside"
    for name in (
        "a/precious",
        "ends/000001.json",
        "claims/000001",
        "state-000001/precious",
        "out-000001/precious",
        "logs/a.log",
        "x.csv",
        "precious",
        f"{ARTIFACT.digest}/precious",
        f"thing-{ARTIFACT.digest}/manifest.json",
        f"thing-{ARTIFACT.digest}/record.json",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store").open()


def listing(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def claimed(store: Store):
    return store.claim(KEY, "me", lambda _: False)


def publish(store: Store) -> None:
    claim = claimed(store)
    (claim.out / "record.json").write_text("{}")
    store.publish(ARTIFACT.name, claim)


def write_spec(store: Store) -> None:
    specs.write(specs.make(ARTIFACT, store.root, Path("s.yaml"), {}, Placement()), store.work(KEY) / "spec.json")


def judged(store: Store) -> Ledger:
    return Ledger(store.root / ".judged/j-1", {"judge": "j"})


def beaten(store: Store) -> None:
    liveness.beat(store.work(KEY) / "heartbeat", lambda: "word").set()


DOORS = [
    (f".work/{KEY}", "", lambda s: s.tidy(KEY)),
    (f".work/{KEY}", "", claimed),
    (f".work/{KEY}", "", lambda s: s.end(KEY, 1, {})),
    (f".work/{KEY}", "", lambda s: s.explain(KEY, {})),
    (f".work/{KEY}", "", write_spec),
    (".work/make", "", claimed),
    (".work/make", "", write_spec),
    (f".work/{KEY}/ends", "ends", lambda s: s.end(KEY, 1, {})),
    (f".work/{KEY}/ends", "ends", lambda s: history.forgive(s, [KEY])),
    (f".work/{KEY}/claims", "claims", claimed),
    (f".work/{KEY}/state-000000", "state-000001", claimed),
    (f".work/{KEY}/state-000001", "a", claimed),
    (f".work/{KEY}/heartbeat", "precious", claimed),
    (f".work/{KEY}/spec.json", "precious", write_spec),
    (f".work/{KEY}/progress.json", "precious", lambda s: manifest.write_atomic(s.work(KEY) / "progress.json", b"1")),
    (f".work/{KEY}/logs", "logs", lambda s: fork_server.redirect(s.work(KEY) / "logs/a.log")),
    (f".work/{KEY}/logs/a.log", "logs/a.log", lambda s: fork_server.redirect(s.work(KEY) / "logs/a.log")),
    ("make", "", publish),
    ("make", "", write_spec),
    ("make", "", lambda s: s.find(KEY)),
    ("make", "", lambda s: s.retire(ARTIFACT, "")),
    (ARTIFACT.name, f"thing-{ARTIFACT.digest}", lambda s: s.retire(ARTIFACT, s.stamp(s.root / ARTIFACT.name))),
    (ARTIFACT.name, f"thing-{ARTIFACT.digest}", publish),
    *((name, "", lambda s: Store(s.root).open()) for name in (".work", ".cache", ".judged", "results", "studies")),
    (".work/arrays", "", lambda s: arrays.open_folder(s.root, "make", [])),
    (".work/code", "", lambda s: take_snapshot(s.root)),
    (
        ".work/fork_server.log",
        "precious",
        lambda s: Local(s.root / ".work/fork_server.log").start("x", Path("x"), 1, 0, Path("x")),
    ),
    (".judged/j-1", "", lambda s: judged(s).find([])),
    (".judged/j-1", "", lambda s: judged(s).add(Question("q", "a", "b"), Judgement(1.0, {}))),
    (".judged", "", lambda s: judged(s).beside("pace")),
    (".cache", "", lambda s: digests(s)),  # noqa: PLW0108  # it is defined below
    (".cache/digests.json", "precious", lambda s: digests(s)),  # noqa: PLW0108
    ("results/x.csv", "x.csv", lambda s: write_if_new(b"new", s.root / "results/x.csv")),
    ("results", "", lambda s: write_if_new(b"new", s.root / "results/x.csv")),
]


def digests(store: Store) -> None:
    prints = Fingerprints(store.root / ".cache/digests.json")
    prints(store.root / "store.json")
    prints.save()


@pytest.mark.parametrize(("at", "to", "act"), DOORS, ids=[f"{i}-{at}" for i, (at, *_) in enumerate(DOORS)])
def test_no_door_of_the_store_goes_through_a_link(at, to, act, store, outside):
    (store.root / at).parent.mkdir(parents=True, exist_ok=True)
    (store.root / at).symlink_to(outside / to)
    before = listing(outside)
    with pytest.raises(LinkInStore, match=r"found a link to .*; remove the link") as e:
        act(store)
    assert f"{store.root / at}: found" in str(e.value) and listing(outside) == before


@pytest.mark.parametrize("name", ["out-000000", "gone-x", "other"])
def test_a_link_among_what_an_attempt_leaves_is_removed_as_a_link(name, store, outside):
    store.work(KEY).mkdir(parents=True)
    (store.work(KEY) / name).symlink_to(outside)
    before = listing(outside)
    claimed(store)
    store.tidy(KEY)
    assert not (store.work(KEY) / name).is_symlink() and listing(outside) == before


def test_what_is_a_link_by_the_time_it_is_written_stays_what_it_was(store, outside):
    (store.work(KEY)).mkdir(parents=True)
    (store.work(KEY) / "heartbeat").symlink_to(outside / "precious")
    beaten(store)
    (store.root / ".judged").mkdir()
    (store.root / ".judged/pace").symlink_to(outside / "precious")
    asyncio.run(Pacing(Limits(requests_per_minute=60000.0), store.root / ".judged/pace").turn(1))
    tmp = store.root / f".x.{os.getpid()}.tmp"
    tmp.symlink_to(outside / "precious")
    with pytest.raises(OSError, match=r"File exists|symbolic links"):
        manifest.write_atomic(store.root / "x", b"1")
    assert (outside / "precious").read_text() == "{}"


def test_a_key_that_climbs_out_of_the_store_is_none(store, outside):
    for act in (
        lambda: store.claim("../../outside", "me", lambda _: False),
        lambda: store.tidy("../../outside"),
        lambda: store.end("../../outside", 1, {}),
    ):
        with pytest.raises(WinsweepError):
            act()
    assert listing(outside)["claims/000001"] == "{}" and "ends/000001.json" in listing(outside)


def test_pruning_and_sweeping_a_store_with_links_remove_nothing_behind_them(store, outside):
    published(store)
    demo = [str(ROOT / "launch/sweeps/demo.yaml"), "--store", str(store.root)]
    (store.root / ".work/generate").mkdir(parents=True)
    (store.root / ".work/generate/0123456789ab").symlink_to(outside)
    before = listing(outside)
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch/prune.py"), *demo, "--yes"], capture_output=True, text=True, timeout=60
    )
    assert (
        done.returncode == 2 and "generate/0123456789ab: found a link to" in done.stderr and listing(outside) == before
    )
    (store.root / ".work/generate/0123456789ab").unlink()
    (store.root / ".work/pretrain").symlink_to(outside)
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch/sweep.py"), *demo], capture_output=True, text=True, timeout=60
    )
    assert (
        done.returncode == 2
        and "found a link to" in done.stderr
        and "Traceback" not in done.stderr
        and listing(outside) == before
    )
    assert json.loads((store.root / "store.json").read_bytes())


def test_a_store_that_is_itself_behind_a_link_is_a_store(tmp_path, outside):
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    store = Store(tmp_path / "runs").open()
    assert published(store).parent.parent == tmp_path / "disk"
    store.tidy(KEY)
