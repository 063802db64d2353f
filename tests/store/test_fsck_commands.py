"""fsck: what it says to type really runs, mends what it is said of, and takes nothing else away."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store import damages
from tests.store.test_fsck import ROOT, SEED, checked, command
from winsweep.store import liveness
from winsweep.store.store import Store


@pytest.mark.parametrize("num", range(len(damages.ALL)))
def test_every_command_that_is_said_runs_and_mends_what_it_says(num, copy, tmp_path):
    damages.ALL[num](copy, random.Random(SEED))
    found = checked(copy)
    mended = sum(typed(one.act, tmp_path) for one in found)
    left = {(one.place, one.found) for one in checked(copy) if one.kind != "left over"}
    assert not left & {(one.place, one.found) for one in found if "launch/sweep.py" not in one.act}, left
    assert mended


def typed(act: str, cwd: Path) -> int:
    """Run what a person would type, but for what would train; how many commands there were."""
    lines = [line.strip() for line in act.partition("    #")[0].split("&&")]
    for line in lines:
        if not line.startswith("python launch/sweep.py "):
            subprocess.run(["bash", "-ec", line], check=True, cwd=cwd)
    return len(lines)


@pytest.mark.parametrize("stray", ["notes.txt", ".ipynb_checkpoints/a-checkpoint.json", "it's a copy/x/y.txt", "link"])
def test_what_was_put_beside_the_files_of_a_result_is_taken_away_and_the_result_stays(stray, copy, tmp_path):
    (path,) = copy.glob("finetune/a.own.s1-*")
    (path / stray).parent.mkdir(parents=True, exist_ok=True)
    (path / stray).symlink_to(tmp_path) if stray == "link" else (path / stray).write_text("mine")
    (one,) = checked(copy)
    assert one.found.endswith("that is not in manifest.json") and "sweep" not in one.act and not one.keep_others
    typed(one.act, tmp_path)
    assert checked(copy) == [] and (path / "model.safetensors").is_file() and tmp_path.is_dir()


def test_a_stray_file_beside_a_damaged_one_is_no_reason_to_keep_the_result(copy):
    (path,) = copy.glob("finetune/a.own.s1-*")
    (path / "notes.txt").write_text("mine")
    (path / "model.safetensors").write_text("x")
    (one,) = checked(copy)
    assert one.act.startswith(f"rm -r {path} && ")


@pytest.mark.parametrize(("name", "kind"), [("mine", "left over"), ("gpt4-0123456789ab", "left over")])
def test_a_ledger_folder_of_a_persons_own_needs_nothing_to_be_done(name, kind, copy):
    (copy / ".judged" / name).mkdir()
    (copy / ".judged" / name / "a.jsonl").write_text("")
    (one,) = checked(copy)
    assert one.kind == kind and one.act.startswith("nothing need be done: ")


def test_a_ledger_that_was_renamed_goes_back(copy, tmp_path):
    (folder,) = copy.glob(".judged/*")
    folder.rename(folder.with_name("old judge"))
    (one,) = checked(copy)
    assert one.kind == "damaged" and "so that nothing reads it" in one.found
    typed(one.act, tmp_path)
    assert checked(copy) == []
    shutil.copytree(folder, folder.with_name("backup"))
    assert [(one.kind, one.place) for one in checked(copy)] == [("left over", ".judged/backup")]


@pytest.mark.parametrize("text", ["", "me", "a@b@c@d"])
def test_a_damaged_claim_is_told_once(text, copy, made):
    key = next(a.key for a in made.order if a.stage == "judge")
    (copy / ".work" / key / "claims/000002").write_text(text)
    (one,) = checked(copy)
    assert one.place == f".work/{key}/claims/000002"


def test_a_damaged_claim_takes_no_checkpoint_with_it(copy, made):
    a = next(a for a in made.order if a.stage == "finetune")
    shutil.rmtree(copy / a.name)
    work = copy / ".work" / a.key
    (work / "state-000002").mkdir()
    (work / "state-000002/step").write_text("12")
    (work / "claims/000002").write_text("me")
    found = next(one for one in checked(copy) if one.place.endswith("claims/000002"))
    first, _, then = found.act.partition("    # ")
    assert first == f"python launch/sweep.py {made.study.path} --store {copy}"
    assert then.startswith("goes on from its checkpoint") and then.endswith(f"once the result is there: rm -r {work}")
    assert Store(copy).claim(a.key, liveness.owner("third"), lambda _: False).work.joinpath("step").read_text() == "12"


def test_a_stage_folder_that_is_empty_is_nothing_to_speak_of(copy):
    (path,) = copy.glob("pretrain/*")
    shutil.rmtree(path)
    assert checked(copy) == []


def test_the_study_file_that_is_gone_is_asked_for(copy, made, tmp_path):
    (path,) = copy.glob("judge/a.own.s2-*")
    (path / "annotations.json").write_text("[]")
    spec = copy / ".work/judge" / path.name[-12:] / "spec.json"
    spec.write_text(spec.read_text().replace(str(made.study.path), f"{tmp_path}/gone.yaml"))
    (one,) = checked(copy)
    assert f"sweep.py STUDY.yaml --store {copy}    # STUDY.yaml: {tmp_path}/gone.yaml is gone; name " in one.act


def test_a_folder_above_or_below_a_store_names_the_store(copy, tmp_path):
    for asked in (copy / "judge", min(copy.glob("judge/*")), tmp_path):
        done = command(asked)
        assert done.returncode == 2 and f"type python launch/fsck.py {copy}\n" in done.stderr, done.stderr
    (tmp_path / "empty").mkdir()
    assert f"so nothing was run there yet; {tmp_path} has runs; name" in command(tmp_path / "empty").stderr
    assert not (tmp_path / "store.json").exists() and not any((tmp_path / "empty").iterdir())


def test_a_store_without_its_mark_is_looked_at_and_not_written_to(copy):
    (copy / "store.json").unlink()
    (one,) = checked(copy)
    assert one.place == "store.json" and not (copy / "store.json").exists()


def test_the_launcher_writes_a_damaged_table_again(copy, tmp_path):
    (copy / "results/kept.csv").write_text("x\n")
    (copy / "results/kept.differences.csv").write_text("x\n")
    found = checked(copy)
    assert len(found) == 2 and len({one.act for one in found}) == 1
    line = found[0].act.replace("python launch", f"{sys.executable} {ROOT}/launch")
    subprocess.run(["bash", "-ec", line], capture_output=True, cwd=tmp_path)  # this made table is none to be shown
    assert checked(copy) == []
