"""fsck: what lies where a folder or a file of the store does and is none, or cannot be read, is named, and the command
that is said puts it right; no pipe is waited for.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.test_fsck import checked
from tests.store.test_fsck_commands import typed
from winsweep.store.lookup import is_folder
from winsweep.workspace import open_workspace

KINDS: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("x"),
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("/nowhere"),
    "a folder": Path.mkdir,
}
PLACES = {
    "store.json": ("a pipe", "a link", "a folder"),
    "results": ("a file", "a pipe"),
    "results/kept.csv": ("a pipe", "a link", "a folder"),
    ".judged": ("a file", "a pipe"),
    ".judged/*": ("a pipe",),
    ".judged/*/*.jsonl": ("a pipe", "a folder"),
    ".judged/*/judge.json": ("a pipe", "a folder"),
    ".cache": ("a file", "a pipe"),
    ".cache/digests.json": ("a pipe", "a folder"),
    ".work": ("a file", "a pipe"),
    ".work/judge": ("a file", "a pipe", "a link"),
    ".work/judge/*": ("a file", "a pipe", "a link"),
    ".work/judge/*/claims": ("a file", "a pipe", "a link"),
    ".work/judge/*/ends": ("a file", "a pipe", "a link"),
    ".work/judge/*/spec.json": ("a pipe", "a link", "a folder"),
    "judge": ("a file", "a pipe", "a link"),
    "judge/*": ("a file", "a pipe", "a link"),
    "judge/*/record.json": ("a pipe", "a link", "a folder"),
}


@pytest.mark.parametrize(("place", "kind"), [(place, kind) for place, kinds in PLACES.items() for kind in kinds])
def test_what_is_not_what_its_place_is_for_is_told_and_put_right(place, kind, copy, made, tmp_path):
    path = min(copy.glob(place))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    KINDS[kind](path)
    found = [one for one in checked(copy) if one.kind != "left over"]
    assert found
    for one in found:
        typed(one.act, tmp_path)
    left = [one for one in checked(copy) if one.kind != "left over" and "launch/sweep.py" not in one.act]
    assert not left
    again = open_workspace(made.study.path, copy)
    assert not {i.state for i in again.plan(again.facts())} & {"failed", "blocked"}


def test_a_pipe_in_a_persons_own_folder_is_not_waited_for(copy):
    (copy / "mine").mkdir()
    os.mkfifo(copy / "mine/record.json")
    assert [(one.kind, one.place) for one in checked(copy)] == [("left over", "mine")]


@pytest.mark.parametrize(
    "place", ["judge/*", "judge/*/record.json", "judge/*/manifest.json", ".work/judge/*", ".work/judge/*/claims"]
)
def test_what_cannot_be_read_is_told_with_what_its_owner_types(place, copy, tmp_path):
    path = min(copy.glob(place))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    try:
        (one,) = checked(copy)
        assert "cannot be read (Permission denied)" in one.found and one.act == f"chmod -R u+rwX {path}"
        typed(one.act, tmp_path)
        assert checked(copy) == [] and is_folder(path.parent)
    finally:
        path.chmod(0o755)
