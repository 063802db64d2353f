"""fsck of what is gone of a ledger: a file that was emptied, and the folder of batches."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.store.finished_store import JUDGE
from tests.store.test_fsck import checked
from winsweep.judge import ledger
from winsweep.judge.questions import Judgement

NAME, VERSION, IDENTITY = JUDGE
MEMBER = {"judge": NAME, "version": VERSION, **IDENTITY}
OLD_S = time.time() - 1e6


def emptied(store: Path) -> Path:
    """A file of judgements by a process that is gone, with nothing in it."""
    path = min(store.glob(".judged/*/*.jsonl")).with_name("elsewhere-4711-0123abcd.jsonl")
    path.touch()
    os.utime(path, (OLD_S, OLD_S))
    return path


@pytest.mark.parametrize(
    ("judge", "identity", "is_lost"),
    [
        (NAME, IDENTITY, True),
        (NAME, IDENTITY | {"orders": 1}, True),  # which questions are asked, not who answers
        (NAME, IDENTITY | {"model": "other"}, False),
        ("jury", {"annotator": "jury", "judges": [{**MEMBER, "model": "other"}, MEMBER]}, True),
    ],
)
def test_an_emptied_file_is_told_where_results_were_judged_by_that_judge(judge, identity, is_lost, copy):
    path = emptied(copy)
    assert checked(copy) == []  # as a kill leaves it before the first judgement
    record = min(copy.glob("judge/*/record.json"))
    said = json.loads(record.read_bytes())
    params = said["params"] | {"judge": said["params"]["judge"] | {"name": judge, "version": VERSION}}
    record.write_text(json.dumps(said | {"params": params | {"identity": identity}}))
    told = [one for one in checked(copy) if one.place == path.relative_to(copy).as_posix()]
    assert [one.kind for one in told] == ["lost"] * is_lost
    assert all("is empty, and 1 published result was judged by" in one.found and "rm " in one.act for one in told)


def test_the_folder_of_batches_that_is_gone_is_told_where_a_batch_was_answered(copy):
    [judge] = copy.glob(".judged/*-*")
    ledger.Ledger(*ledger.place(copy, *JUDGE)).add_batch("ab" * 16, {"0" * 64: Judgement(1.0, {}, "m", "", (1, 1))}, [])
    (judge / "batches").rename(judge.parent.parent / ".work" / "away")
    [told] = [one for one in checked(copy) if one.kind == "lost"]
    assert (
        told.place == f".judged/{judge.name}/batches"
        and "is not there" in told.found
        and "asked and paid" in told.found
    )
    for path in judge.glob("batch-*"):
        path.unlink()
    assert not [one for one in checked(copy) if one.kind == "lost"]  # no batch is known to have been
