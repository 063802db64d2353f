"""Whoever works in a store makes folders in it, and no other store where it was moved."""

import ast

import pytest

from winsweep import layout
from winsweep.judge.ledger import Ledger
from winsweep.slurm import halt
from winsweep.store import disk, folders, left_out
from winsweep.store.store import Store
from winsweep.train.rank_group import _post

# what writes where a person says, into a cache or a local copy, or makes a store on purpose
ELSEWHERE = (
    "archive/",
    "attempt/staging.py",
    "export/",
    "prefetch.py",
    "report/files.py",
    "slurm/emit.py",
    "store/store.py",
    "text/gguf.py",
    "trackers/",
)


def test_folders_are_made_below_a_store_and_anywhere_else(tmp_path):
    (tmp_path / "runs").mkdir()
    assert folders.make(tmp_path / "runs/.work/a/b").is_dir() and folders.make(tmp_path / "runs/.work/a/b").is_dir()
    assert folders.make(tmp_path / "by hand/out").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        folders.make(tmp_path / "file")


@pytest.mark.parametrize(
    "write",
    [
        lambda store: folders.make(store.root / ".work/finetune/abc/logs"),
        lambda store: halt.note(store, "s", "why"),
        lambda store: left_out.add(store.root, "finetune/abc", {}),
        lambda store: _post(store.root / ".work/finetune/meeting-1", "host", 1),
        lambda store: Ledger(store.root / ".judged/j-abc", {}).make_folder(),
    ],
)
def test_a_store_that_was_moved_is_not_made_anew(tmp_path, write):
    store = Store(tmp_path / "runs").open()
    store.root.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError) as raised:
        write(store)
    assert disk.is_its(raised.value, store.root) and not store.root.exists()


def test_nothing_that_works_in_a_store_makes_folders_of_any_depth():
    found = [
        path.relative_to(layout.PACKAGE).as_posix()
        for path in sorted(layout.PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mkdir")
        for word in node.keywords
        if word.arg == "parents" and ast.unparse(word.value) != "False"
    ]
    assert [name for name in found if not name.startswith(ELSEWHERE)] == []
