"""Copies on a node's own disk: made once, verified, and never a reason to fail or to trust what another user left
there.
"""

import os
import tempfile

import pytest

from tests.train.world import start_ranks, wait_ranks
from winsweep.attempt import job, on_node, staging
from winsweep.attempt.staging import staged
from winsweep.errors import BadData, Damaged
from winsweep.placement import Placement
from winsweep.store import fingerprint, manifest


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "store/collect/m.ins.s1-0123"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(os.urandom(3 << 20))
    (folder / "sub/config.json").write_text("{}")
    manifest.seal(folder)
    (tmp_path / "disk").mkdir()
    return folder


def test_a_copy_is_made_once_and_read_from_then_on(source, tmp_path, monkeypatch):
    copy = staged(source, str(tmp_path / "disk"), "")
    assert copy.parent == tmp_path / f"disk/winsweep-{os.getuid()}" and copy.parent.stat().st_mode & 0o077 == 0
    manifest.verify(copy)
    (source / "model.safetensors").unlink()  # not looked at again
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    assert staged(source, "NODE_DISK", "") == copy and not list(copy.parent.glob(".half-*"))


def test_ranks_that_come_together_copy_once(source, tmp_path):
    def main(rank: int) -> None:
        staging._copy_file = lambda a, b, copy=staging._copy_file: (
            (tmp_path / f"copied-{rank}-{a.name}").touch() or copy(a, b)
        )
        manifest.verify(staged(source, str(tmp_path / "disk"), ""))

    assert wait_ranks(start_ranks(4, main, tmp_path / "logs")) == [0] * 4 and len(list(tmp_path.glob("copied-*"))) == 2


def counted(path, act):
    """`act`, with a line in `path` for each call of any process."""

    def count(*args):
        with open(path, "a") as f:
            f.write("called\n")
        return act(*args)

    return count


@pytest.mark.parametrize("scratch", ["disk", "none/there"])
def test_ranks_of_an_attempt_verify_once_and_another_attempt_again(source, tmp_path, scratch, monkeypatch):
    """Where the copy is read, and where the model is read in its place."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    staged(source, str(tmp_path / scratch), "")
    monkeypatch.setattr(manifest, "verify", counted(tmp_path / "calls", manifest.verify))
    for attempt, calls in (("one", 1), ("two", 2)):
        pids = start_ranks(4, lambda rank, a=attempt: staged(source, str(tmp_path / scratch), "", a), tmp_path / "logs")
        assert wait_ranks(pids) == [0] * 4 and len((tmp_path / "calls").read_text().split()) == calls


def test_a_local_model_is_digested_once_by_the_ranks_of_a_node(source, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sha256 = fingerprint.fingerprint(source)
    monkeypatch.setattr(job, "fingerprint", counted(tmp_path / "calls", fingerprint.fingerprint))

    def main(rank: int, attempt: str) -> None:
        base = {"base": {"source": {"sha256": sha256}}}
        here = dict(files={sha256: str(source)}, rank=rank, num_ranks=3, meeting=tmp_path / f"meeting-{attempt}")
        made = job.Job("m", base, {}, tmp_path, tmp_path, Placement(), **here)
        assert made.base() == (str(source), None)

    for attempt, calls in (("one", 1), ("two", 2)):
        pids = start_ranks(3, lambda rank, a=attempt: main(rank, a), tmp_path / "logs")
        assert wait_ranks(pids) == [0] * 3 and len((tmp_path / "calls").read_text().split()) == calls
    (source / "sub/config.json").write_text("[]")
    with pytest.raises(BadData, match="changed or gone since the study was read"):
        main(0, "three")


def test_what_fails_is_tried_by_the_next_and_a_folder_that_does_not_serve_is_no_reason_to(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match="first"):
        on_node.once("x", "a", lambda: (_ for _ in ()).throw(OSError("first")))
    assert [on_node.once("x", "a", lambda n=n: n) for n in ("1", "2")] == ["1", "1"]
    for n in range(on_node.KEPT + 1):
        on_node.once("x", f"other-{n}", lambda: "")
    assert on_node.once("x", "a", lambda: "3") == "3"  # that attempt was long ago
    (tmp_path / f"winsweep-{os.getuid()}").chmod(0o777)
    assert [on_node.once("x", "a", lambda n=n: n) for n in ("4", "5")] == ["4", "5"]


def test_a_damaged_copy_is_made_again_and_a_damaged_source_is_named(source, tmp_path):
    copy = staged(source, str(tmp_path / "disk"), "")
    with open(copy / "model.safetensors", "r+b") as f:
        f.write(b"\0\1")
    manifest.verify(staged(source, str(tmp_path / "disk"), ""))
    with open(source / "model.safetensors", "r+b") as f:
        f.write(b"\0\1")
    manifest.verify(staged(source, str(tmp_path / "disk"), ""))  # the copy is of what the manifest says
    (copy / "sub/config.json").write_text("[]")
    with pytest.raises(Damaged, match=r"model.safetensors: found other content .*; to rebuild: rm -r that"):
        staged(source, str(tmp_path / "disk"), "rm -r that")
    assert not list(copy.parent.glob(".half-*")) and not copy.exists()


@pytest.mark.parametrize("case", ["others may write", "no such variable", "no such disk", "no room"])
def test_where_a_disk_does_not_serve_the_model_is_read_where_it_is(source, tmp_path, case, monkeypatch, capsys):
    own = tmp_path / f"disk/winsweep-{os.getuid()}"
    if case == "others may write":
        own.mkdir()
        own.chmod(0o777)
    if case == "no room":
        monkeypatch.setattr(staging, "MARGIN", 1e12)
    where = {"no such variable": "NO_SUCH_VARIABLE", "no such disk": str(tmp_path / "none/there")}.get(
        case, str(tmp_path / "disk")
    )
    assert staged(source, where, "") == source and "read where it is" in capsys.readouterr().out
    (source / "sub/config.json").write_text("[]")
    with pytest.raises(Damaged):
        staged(source, where, "")
