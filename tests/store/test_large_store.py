"""A store of very many results: what one study asks of it does not depend on the others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.large_inputs import write_study
from winsweep.store import lookup
from winsweep.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("finetune", "generate", "judge")
COUNTED = """
import os, runpy, sys
counts = {"entries": 0, "paths": 0}
class Counted:
    def __init__(self, path="."):
        self.found = scandir(path)
    def __iter__(self):
        return self
    def __next__(self):
        entry = next(self.found)
        counts["entries"] += 1
        return entry
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.found.close()
    close = __exit__
def listdir(path="."):
    names = listed(path)
    counts["entries"] += len(names)
    return names
def audit(event, args):
    if event in ("open", "os.listdir", "os.scandir") and str(args[0]).startswith(store):
        counts["paths"] += 1
store, command = sys.argv[1], sys.argv[2]
sys.argv = sys.argv[2:]
scandir, os.scandir, listed, os.listdir = os.scandir, Counted, os.listdir, listdir
sys.addaudithook(audit)
try:
    runpy.run_path(command, run_name="__main__")
finally:
    print(counts["entries"], counts["paths"], file=sys.stderr)
"""


def fill(store: Path, begin: int, end: int) -> None:
    """Results of others, and their work directories."""
    for stage in STAGES:
        for n in range(begin, end):
            (store / stage / f"other.s{n}-{n:012x}").mkdir(parents=True)
            (store / ".work" / stage / f"{n:012x}").mkdir(parents=True)


def counted(store: Path, command: str, *words: str) -> tuple[int, int]:
    """Entries that a command reads from directories, and paths of the store that it opens or lists."""
    call = [sys.executable, "-c", COUNTED, str(store), str(ROOT / "launch" / command), *words, "--store", str(store)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(call, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    entries, paths = done.stderr.splitlines()[-1].split()
    return int(entries), int(paths)


@pytest.fixture
def store(tmp_path) -> Path:
    return Store(tmp_path / "runs").open().root


@pytest.mark.parametrize("words", [["status.py"], ["sweep.py", "--dry-run"]], ids=" ".join)
def test_what_a_study_asks_of_a_store_does_not_depend_on_what_others_made(words, store, tmp_path):
    study = write_study(tmp_path, "small")
    asked = [words[0], str(study), *words[1:]]
    counted(store, *asked)  # files of the study are digested once
    fill(store, 0, lookup.FEW + 100)
    many = counted(store, *asked)
    fill(store, lookup.FEW + 100, lookup.FEW + 400)
    assert counted(store, *asked) == many


def large(store: Path) -> Store:
    fill(store, 0, lookup.FEW + 1)
    return Store(store)


def made(store: Path, label: str, told: dict[str, str]) -> Path:
    """A result of that label, in whose work directory those files are."""
    path = store / "judge" / f"{label}-aaaaaaaaaaaa"
    path.mkdir(parents=True)
    work = store / ".work/judge/aaaaaaaaaaaa"
    work.mkdir(parents=True)
    for name, text in told.items():
        (work / name).write_text(text)
    return path


TOLD = [
    {"label": "mine"},
    {"spec.json": json.dumps({"label": "mine"})},
    {"label": "gone", "spec.json": '{"label": "mine"}'},
]


@pytest.mark.parametrize("told", TOLD)
def test_a_result_of_another_label_is_found_by_what_is_known_of_it(told, store):
    path, at = made(store, "mine", told), large(store)
    assert at.published()["judge/aaaaaaaaaaaa"] == at.find("judge/aaaaaaaaaaaa") == path
    assert at.has("judge/aaaaaaaaaaaa", "judge/yours-aaaaaaaaaaaa")
    assert "judge/aaaaaaaaaaaa" in at.begun() and "judge/bbbbbbbbbbbb" not in at.begun()
    assert set(at.published()) >= {"judge/aaaaaaaaaaaa", f"judge/{7:012x}"}


@pytest.mark.parametrize("label", ["../outside", "x/../../outside", ".hidden", "a\0b", "", "\udc80"])
def test_a_label_that_is_no_name_leads_nowhere(label, store):
    (store.parent / "outside-aaaaaaaaaaaa").mkdir()
    made(store, "mine", {})
    (store / ".work/judge/aaaaaaaaaaaa/label").write_bytes(label.encode("utf-8", "surrogateescape"))
    assert "judge/aaaaaaaaaaaa" not in large(store).published()


def test_results_that_were_brought_without_what_is_known_of_them_are_all_listed(store):
    for n in range(lookup.FEW + 1):
        (store / "judge" / f"other.s{n}-{n:012x}").mkdir(parents=True)
    assert f"judge/{7:012x}" in Store(store).published()


def test_a_published_result_says_how_it_is_called(store):
    at = Store(store)
    claim = at.claim("judge/aaaaaaaaaaaa", "me", alive=lambda _: False)
    at.publish("judge/mine-aaaaaaaaaaaa", claim)
    at.tidy("judge/aaaaaaaaaaaa")
    assert (at.work("judge/aaaaaaaaaaaa") / lookup.LABEL).read_text() == "mine"
    assert large(store).find("judge/aaaaaaaaaaaa").name == "mine-aaaaaaaaaaaa"
