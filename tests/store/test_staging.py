"""Copies on a node's own disk: made once, verified, and never a reason to fail or to trust what another user left
there.
"""

import os

import pytest

from tests.train.world import start_ranks, wait_ranks
from winsweep.attempt import staging
from winsweep.attempt.staging import staged
from winsweep.errors import Damaged
from winsweep.store import manifest


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
