"""fsck: every damage is found and named, nothing is said of what is sound, and nothing is changed."""

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store import damages, finished_store
from winsweep.errors import NewerStore
from winsweep.fsck import published, whole
from winsweep.fsck.finding import Finding
from winsweep.pruning import remove, waste
from winsweep.store import damage, liveness, manifest
from winsweep.store.store import Store
from winsweep.workspace import open_workspace

ROOT = Path(__file__).resolve().parents[2]
NUM, SEED = 100, 20261129


def checked(store: Path) -> list[Finding]:
    return whole.check(Store(store), 2).findings


def command(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(ROOT / "launch/fsck.py"), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=100)


def test_nothing_is_said_of_a_sound_store_and_nothing_is_changed(made):
    before = {p: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in made.store.root.rglob("*")}
    done = whole.check(made.store, 2)
    assert done.findings == [] and done.is_sound
    assert done.num_artifacts == len(made.order) == done.num_attempted
    assert {p: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in made.store.root.rglob("*")} == before


@pytest.mark.parametrize("part", range(4))
def test_each_of_a_hundred_random_damages_is_found_and_named(part, made, tmp_path):
    missed = []
    for n in range(part, NUM, 4):
        rng, store = random.Random(SEED + n), tmp_path / f"{n}"
        finished_store.copied(made, store)
        act = damages.ALL[n % len(damages.ALL)]
        expected = act(store, rng)
        found = [one for one in checked(store) if one.kind != "left over"]
        if not any({one.place, one.artifact} & expected for one in found):
            missed.append((n, act.__name__, expected, found))
        shutil.rmtree(store)
    assert not missed


@pytest.mark.parametrize("act", [damages.other_name, damages.other_stage])
def test_what_was_renamed_goes_back_by_the_command_that_is_said(act, copy):
    expected = act(copy, random.Random(3))
    (one,) = checked(copy)
    assert {one.artifact} == expected and one.act.startswith("mv ")
    subprocess.run(shlex.split(one.act), check=True)
    assert checked(copy) == []


def test_a_damaged_result_is_told_with_its_cell_its_study_and_the_command(copy, made):
    (path,) = copy.glob("judge/a.own.s2-*")
    (path / "annotations.json").write_text("[]")
    (one,) = checked(copy)
    assert (one.kind, one.cell, one.study) == ("damaged", "a.own.s2", str(made.study.path))
    assert one.found.startswith("annotations.json has 2 bytes instead of ")
    assert one.act.startswith(f"rm -r {path} && python launch/sweep.py {made.study.path} --store {copy}")
    subprocess.run(shlex.split(one.keep_others), check=True)
    again = open_workspace(made.study.path, copy)
    aside = damage.known(again.store)
    assert list(aside) == [f"judge/{path.name[-12:]}"]  # as an attempt would have set it aside
    assert [f.kind for f in checked(copy)] == ["left over"]


def test_what_was_set_aside_before_is_not_set_aside_into_itself(copy):
    (path,) = copy.glob("judge/a.own.s2-*")
    (copy / f".work/damaged-judge-{path.name}").mkdir()
    (path / "annotations.json").write_text("[]")
    (one,) = [f for f in checked(copy) if f.kind == "damaged"]
    assert one.keep_others == "" and one.act.startswith("rm -r ")


def test_prune_keeps_what_stands_for_a_damaged_result_until_it_is_made_again(copy, made):
    (path,) = copy.glob("generate/a.own.s2-*")
    shutil.copytree(path, copy.parent / "whole")
    (path / "outputs.json").write_text("x")
    (one,) = checked(copy)
    subprocess.run(shlex.split(one.keep_others), check=True)
    again = open_workspace(made.study.path, copy)
    assert [w.path for w in waste([again]) if "damaged" in w.why] == []
    assert {i.state for i in again.plan(again.facts())} == {"done"} and again.damaged(again.plan(again.facts())) == ""
    (copy.parent / "whole").rename(path)
    assert [w.path.name for w in waste([again]) if "damaged" in w.why] == [f"damaged-generate-{path.name}"]
    told = again.damaged(again.plan(again.facts()))
    assert told.startswith(
        f"set aside as damaged, and made again since: generate/{path.name}; to drop the damaged: rm -r "
    )
    (one,) = checked(copy)
    assert told.endswith(f"{one.act}\n")
    subprocess.run(shlex.split(one.act), check=True)
    assert checked(copy) == [] and again.damaged(again.plan(again.facts())) == ""


def test_prune_keeps_the_checkpoint_of_a_model_that_was_set_aside(copy, made):
    (path,) = copy.glob("collect/a.own.s2-*")
    (path / "model.safetensors").write_text("x")
    (one,) = checked(copy)
    subprocess.run(shlex.split(one.keep_others), check=True)
    again = open_workspace(made.study.path, copy)
    found = {w.path.parent.name + "/" + w.path.name.rpartition("-")[0] for w in waste([again])}
    assert "finetune/a.own.s1" in found and "finetune/a.own.s2" not in found


def test_the_command_says_what_to_type_and_its_code_tells(copy, made):
    assert command(copy).returncode == 0
    (path,) = copy.glob("generate/a.ins.s1-*")
    (path / "outputs.json").unlink()
    done = command(copy)
    assert done.returncode == 1 and "outputs.json is not there" in done.stdout and f"rm -r {path} && " in done.stdout
    told = json.loads(command(copy, "--json").stdout)
    assert not told["is_sound"] and [f["cell"] for f in told["findings"]] == ["a.ins.s1"]
    assert command(copy / "nowhere").returncode == 2


def test_a_ledger_that_is_being_written_is_no_damage(copy):
    path = min(copy.glob(".judged/*/*.jsonl"))
    assert f"-{os.getpid()}-" in path.name  # this process
    with open(path, "ab") as file:
        file.write(b'{"key": "')
    assert checked(copy) == []


def test_what_is_being_made_or_taken_away_is_no_damage(copy, made, monkeypatch):
    key = next(a.key for a in made.order if a.stage == "judge")
    store = Store(copy)
    shutil.rmtree(store.find(key))
    claim = store.claim(key, liveness.owner("third"), lambda _: False)
    (claim.out / "annotations.json").write_text("[")
    assert checked(copy) == []
    gone = store.find(next(a.key for a in made.order if a.stage == "generate"))
    (gone / "outputs.json").unlink()
    seen = published._quick

    def taken(root: Path, path: Path) -> published.Looked:  # somebody retires it between two looks
        found = seen(root, path)
        shutil.rmtree(gone, ignore_errors=True)
        return found

    monkeypatch.setattr(published, "_quick", taken)
    assert checked(copy) == []


def test_what_a_person_keeps_beside_the_results_is_no_damage(copy):
    (copy / "notes.txt").write_text("mine")
    (copy / "plots").mkdir()
    (copy / "plots/a.png").write_text("")
    (copy / "elsewhere").symlink_to("/nowhere")
    (copy / "empty").mkdir()
    assert {one.kind for one in checked(copy)} == {"left over"}
    (copy / "judge/notes.txt").write_text("mine")
    assert [one.place for one in checked(copy) if one.kind == "damaged"] == ["judge/notes.txt"]


@pytest.mark.parametrize("told", ["[]", "{", '{"/a|1|2|3": "not a digest"}'])
def test_a_cache_that_is_none_is_told_and_stops_no_study(told, copy, made):
    (copy / ".cache/digests.json").write_text(told)
    assert [one.place for one in checked(copy)] == [".cache/digests.json"]
    assert open_workspace(made.study.path, copy).wanted == made.wanted


def test_large_files_are_read_by_threads_of_their_own(copy, monkeypatch):
    monkeypatch.setattr(published, "LARGE", 1)
    assert checked(copy) == []
    (path,) = copy.glob("collect/a.own.s1-*")
    os.truncate(path / "model.safetensors", 3)
    assert [one.artifact for one in checked(copy)] == [f"collect/{path.name}"]


def test_a_name_in_a_store_steers_no_terminal(copy):
    (path,) = copy.glob("collect/a.own.s1-*")
    (path / "\x1b[2J\u202e.txt").write_text("")
    done = command(copy)
    assert done.returncode == 1 and "\x1b" not in done.stdout and "\u202e" not in done.stdout


def test_a_store_of_a_later_winsweep_is_refused_in_words(copy):
    (copy / "store.json").write_text('{"format": 2, "more": []}')
    with pytest.raises(NewerStore, match="found store format 2; this winsweep reads up to 1; update winsweep"):
        checked(copy)
    done = command(copy)
    assert done.returncode == 2 and "update winsweep or name another --store" in done.stderr


@pytest.mark.parametrize("told", [{}, [], {"x": 3}, {"x": {"size": -1, "sha256": "0"}}, {"../x": {}}])
def test_a_manifest_of_any_content_is_told(told, copy):
    (path,) = copy.glob("collect/a.own.s1-*")
    (path / manifest.NAME).write_text(json.dumps(told))
    assert [one.artifact for one in checked(copy)] == [f"collect/{path.name}"]


def test_prune_ends_what_an_earlier_one_did_not(copy, made):
    (path,) = copy.glob("generate/a.ins.s1-*")
    left = path.with_name(f".pruned-{path.name}")
    path.rename(left)
    workspace = open_workspace(made.study.path, copy)
    found = [w for w in waste([workspace]) if w.path == left]
    assert [w.why for w in found] == ["a prune was ended midway"] and found[0].num_bytes > 0
    remove(found)
    assert not left.exists()
    remove(found)  # by another prune, a moment later
