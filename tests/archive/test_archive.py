"""An archive of a study's results: what is in it, that the same store gives the same bytes, and that nothing of this
machine is in it.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.store import finished_store
from tests.validation.test_shown import made_card
from winsweep import layout
from winsweep.archive import incoming, packing, public
from winsweep.archive.study_copy import copy_of
from winsweep.errors import BadStudy, Damaged
from winsweep.fsck import whole as fsck
from winsweep.store import manifest
from winsweep.store.store import Store
from winsweep.workspace import Workspace, open_workspace


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def member(path: Path, name: str) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(name))


def test_results_go_in_whole_and_of_weights_and_data_the_records(bare, whole, made):
    stages = {n.split("/")[1] for n in names(bare) if n.startswith("artifacts/")}
    assert stages == {"aggregate", "generate", "judge", "prepare"}
    assert {n.split("/")[1] for n in names(bare) if n.startswith("records/")} >= {"pretrain", "finetune", "collect"}
    assert {"results/kept.csv", "results/kept.differences.csv", "study/study.yaml"} <= {*names(bare)}
    assert not [n for n in names(bare) if n.endswith(".safetensors") or n.startswith("study/files/")]
    assert "study/files/rows.jsonl" in names(whole) and any(n.endswith(".safetensors") for n in names(whole))
    with zipfile.ZipFile(bare) as archive:
        assert archive.testzip() is None
        asked = [json.loads(line) for line in archive.read("keys.jsonl").splitlines()]
    assert {a["key"] for a in asked} == {a.key for a in made.order}


def test_the_same_store_gives_the_same_bytes_wherever_it_lies(made, bare, tmp_path):
    again = packing.pack(made, tmp_path / "again.zip").file
    assert again.read_bytes() == bare.read_bytes()
    shutil.copytree(made.study.path.parent, tmp_path / "moved" / "there")
    moved = open_workspace(tmp_path / "moved/there/study.yaml", tmp_path / "moved/there/runs")
    assert packing.pack(moved, tmp_path / "moved.zip").file.read_bytes() == bare.read_bytes()


def test_a_folder_that_is_made_for_the_archive_is_told(made, tmp_path):
    line = [sys.executable, layout.LAUNCH / "archive.py", made.study.path, "a/b/c.zip", "--store", made.store.root]
    done = subprocess.run([*map(str, line)], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stdout.startswith(f"made:     {tmp_path}/a, a folder that was not there\n")


def test_nothing_of_this_machine_is_in_it(whole, made):
    with zipfile.ZipFile(whole) as archive:
        text = b"\n".join(archive.read(n) for n in archive.namelist()).decode(errors="replace")
    record = member(
        whole, next(n for n in names(whole) if n.startswith("artifacts/judge/") and n.endswith("record.json"))
    )
    assert {"host", "node", "owner", "pid"}.isdisjoint(record) and record["packages"] and record["commit"]
    assert {"account", "scratch", "env", "setup"}.isdisjoint(record["placement"]) and record["placement"]["ranks"] == 1
    for private in (made.study.path.parent, made.store.root, "/home/someone", "someone", f"{socket.gethostname()}@"):
        assert str(private) not in text


def test_texts_of_a_record_lose_their_folders():
    told = {"notes": {"note": "from /home/me/data/x.jsonl, ~/y/z and a/b"}, "host": "h", "params": {"path": "/a/b/c"}}
    assert public.record(told) == {
        "notes": {"note": "from …/x.jsonl, …/z and a/b"},
        "params": {"path": "/a/b/c"},
    }


def test_a_result_that_names_a_folder_of_this_machine_is_told_of_by_its_record_alone(made, tmp_path):
    store = finished_store.copied(made, tmp_path / "runs")
    (path,) = store.glob("generate/a.ins.s1-*")
    (path / "outputs.json").write_text(json.dumps([{"output": f"{tmp_path}/runs/x"}]))
    (path / manifest.NAME).unlink()
    manifest.seal(path)
    done = packing.pack(open_workspace(made.study.path, store), tmp_path / "a.zip")
    assert done.left_out[f"generate/{path.name}"] == "outputs.json names a folder of this machine"


def test_absolute_paths_and_extended_studies_become_one_file_beside_its_data(made, tmp_path):
    base, home = tmp_path / "base", tmp_path / "home"
    for folder in (base, home):
        folder.mkdir()
    shutil.copy(made.study.path.parent / "rows.jsonl", home / "rows.jsonl")
    (base / "base.yaml").write_text(finished_store.TEXT.replace("rows.jsonl", str(home / "rows.jsonl")))
    (home / "study.yaml").write_text("extends: ../base/base.yaml\nnotes: mine\n")
    store = finished_store.copied(made, tmp_path / "runs")
    done = packing.pack(open_workspace(home / "study.yaml", store), tmp_path / "a.zip", with_data=True)
    with zipfile.ZipFile(done.file) as archive:
        text = archive.read("study/study.yaml").decode()
    assert "path: files/rows.jsonl" in text and "extends" not in text and str(tmp_path) not in text


def test_paths_that_a_study_names_relatively_have_other_names_in_the_report(made, tmp_path):
    (tmp_path / "private data").mkdir()
    shutil.copy(made.study.path.parent / "rows.jsonl", tmp_path / "private data/rows.jsonl")
    (tmp_path / "study.yaml").write_text(finished_store.TEXT.replace("rows.jsonl", "'private data/rows.jsonl'"))
    typed = copy_of(open_workspace(tmp_path / "study.yaml", finished_store.copied(made, tmp_path / "runs"))).typed
    assert typed == {"private data/rows.jsonl": "files/rows.jsonl"}
    names = {**typed, "alice/study.yaml": "study.yaml", "own": "never"}
    told = {"study": ["path: 'private data/rows.jsonl'"], "own": "type: validate --study alice/study.yaml"}
    found = {"study": ["path: 'files/rows.jsonl'"], "own": "type: validate --study study.yaml"}
    assert public.replaced(told, names) == found


def test_what_looks_like_a_key_of_a_service_is_refused(made, tmp_path):
    study = made.study.path.with_name("with_key.yaml")
    study.write_text(f"{finished_store.TEXT}notes: sk-{'a1' * 12}\n")
    with pytest.raises(BadStudy, match="looks like a key of a service"):
        packing.pack(open_workspace(study, made.store.root), tmp_path / "a.zip")
    study.unlink()


def test_damage_is_not_archived_and_nothing_is_left(made, tmp_path):
    store = finished_store.copied(made, tmp_path / "runs")
    (path,) = store.glob("judge/a.ins.s1-*")
    (path / "annotations.json").write_text("[]")
    with pytest.raises(Damaged, match="differs from its manifest"):
        packing.pack(open_workspace(made.study.path, store), tmp_path / "a.zip")
    assert sorted(os.listdir(tmp_path)) == ["runs"]


def test_the_metadata_is_an_ro_crate_that_names_every_part(bare, made):
    crate = member(bare, "ro-crate-metadata.json")
    by_id = {entity["@id"]: entity for entity in crate["@graph"]}
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context" and len(by_id) == len(crate["@graph"])
    descriptor, root = by_id["ro-crate-metadata.json"], by_id["./"]
    assert descriptor["about"] == {"@id": "./"} and descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset" and root["datePublished"] == "2023-11-14" and root["license"]
    assert {"@id": "results/kept.csv"} in root["hasPart"] and all(part["@id"] in by_id for part in root["hasPart"])
    judge = next(a for a in made.order if a.stage == "judge")
    made_by = by_id[f"#{judge.name}"]
    assert made_by["@type"] == "CreateAction" and made_by["result"] == {"@id": f"artifacts/{judge.name}/"}
    assert all(thing["@id"] in by_id for thing in made_by["object"])


def test_what_was_brought_is_whole_and_a_differing_result_stays(bare, made: Workspace, tmp_path):
    store = Store(tmp_path / "runs").open()
    with incoming.read(bare) as archive:
        first = incoming.bring(archive, store)
        second = incoming.bring(archive, store)
    assert first.new == second.there > 0 and second.new == 0 and first.left_out == second.left_out > 0
    assert fsck.check(store, 2).findings == []
    there = open_workspace(made.study.path, store.root)
    assert {i.state for i in there.plan(there.facts())} == {"done"}
    (path,) = store.root.glob("judge/a.own.s1-*")
    (path / "annotations.json").write_text("mine")
    (path / manifest.NAME).unlink()
    manifest.seal(path)
    with incoming.read(bare) as archive:
        assert [path.name in note and "stays as it is" in note for note in incoming.bring(archive, store).notes] == [
            True
        ]
    assert (path / "annotations.json").read_text() == "mine"


def test_what_was_left_out_is_made_where_it_is_needed(bare, made, tmp_path):
    store = Store(tmp_path / "runs").open()
    with incoming.read(bare) as archive:
        incoming.bring(archive, store)
    there = open_workspace(made.study.path, store.root)
    (path,) = store.root.glob("generate/a.own.s1-*")
    shutil.rmtree(path)
    todo = {i.artifact.stage for i in there.plan(there.facts()) if i.state != "done"}
    assert {"generate", "collect", "finetune"} <= todo


def test_the_card_of_a_judge_that_calibrates_a_table_goes_along(tmp_path):
    made = finished_store.make(tmp_path)
    made_card(made, right=0.8)
    now = open_workspace(made.study.path, made.store.root)
    assert now.study.table.calibration
    finished_store.publish(now, now.table(set(now.judged)))
    file = packing.pack(now, tmp_path / "a.zip", with_data=True).file
    store = Store(tmp_path / "other").open()
    with incoming.read(file) as archive:
        incoming.lay_out(archive, tmp_path / "there")
        incoming.bring(archive, store)
    there = open_workspace(tmp_path / "there/study.yaml", store.root)
    assert {a.key for a in there.order} == {a.key for a in now.order}
    assert {i.state for i in there.plan(there.facts())} == {"done"} and fsck.check(store, 1).findings == []


@pytest.mark.parametrize(
    ("name", "text", "other", "is_told"),
    [
        ("log.jsonl", '{"loss": 1.5, "tokens_per_s": 3.0}\n', '{"loss": 1.5, "tokens_per_s": 4.0}\n', False),
        ("log.jsonl", '{"loss": 1.5, "tokens_per_s": 3.0}\n', '{"loss": 1.6, "tokens_per_s": 3.0}\n', True),
        ("annotations.json", '[{"preference": 1.5, "date": "a"}]', '[{"preference": 1.5, "date": "b"}]', False),
        ("annotations.json", '[{"preference": 1.5, "date": "a"}]', '[{"preference": 1.0, "date": "a"}]', True),
        ("annotations.json", '[{"preference": 1.5, "date": "a"}]', "[", True),
        ("results.csv", "model,lc,commit,judge_key\na,5,x,k\n", "model,lc,commit,judge_key\na,5,y,l\n", False),
        ("results.csv", "model,lc,commit\na,5,x\n", "model,lc,commit\na,6,x\n", True),
        ("notes.bin", "a", "b", True),
    ],
)
def test_a_result_that_was_made_again_at_another_time_differs_in_nothing(tmp_path, name, text, other, is_told):
    made = finished_store.make(tmp_path)
    (path,) = made.store.root.glob("judge/a.own.s1-*")

    def write(data: str) -> None:
        (path / name).write_text(data)
        (path / manifest.NAME).unlink()
        manifest.seal(path)

    write(text)
    file = packing.pack(made, tmp_path / "a.zip", True, True).file
    write(other)
    with incoming.read(file) as archive:
        notes = incoming.bring(archive, made.store).notes
    assert bool(notes) == is_told and (is_told is False or path.name in notes[0])


def test_the_log_of_a_finetune_whose_weights_are_the_same_is_no_difference(tmp_path):
    made = finished_store.make(tmp_path)
    (path,) = made.store.root.glob("finetune/a.own.s1-*")

    def write(name: str, data: str) -> None:
        (path / name).write_text(data)
        (path / manifest.NAME).unlink()
        manifest.seal(path)

    write("log.jsonl", "once")
    file = packing.pack(made, tmp_path / "a.zip").file  # of finetunes the record alone
    for name, is_told in (("log.jsonl", False), ("model.safetensors", True)):
        write(name, "again")
        with incoming.read(file) as archive:
            assert bool(incoming.bring(archive, made.store).notes) == is_told
