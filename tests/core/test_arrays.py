"""Submitted arrays: written down before sbatch, found again by their token, closed when they are over."""

import os
import shutil
import time

import pytest

from winsweep.attempt import arrays
from winsweep.slurm import queue
from winsweep.slurm.queue import Task, parse
from winsweep.store.store import Store


def task(name: str, index: int, job: str = "9", state: str = "RUNNING") -> Task:
    return Task(job, index, name, state, "None", "n1", "0:01", "10:00")


def test_a_line_of_squeue():
    assert parse("12_3|winsweep.judge.ab|PENDING|Dependency||0:00|10:00") == Task(
        "12", 3, "winsweep.judge.ab", "PENDING", "Dependency", "", "0:00", "10:00"
    )
    assert parse("12|bash|RUNNING|None|n1|0:00|10:00") is None and parse("nonsense") is None


@pytest.mark.parametrize("state, is_there", [("EXPEDITING", True), ("?", True), ("COMPLETED", False)])
def test_a_state_that_is_not_known_is_not_gone(tmp_path, monkeypatch, state, is_there):
    """Each version of SLURM has some of its own; what counts as gone is submitted again."""
    (tmp_path / "squeue").write_text(f"#!/bin/sh\necho '12_3|winsweep.judge.ab|{state}|None||0:00|10:00'\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert [t.state for t in queue.snapshot()] == [state] * is_there


def test_an_array_whose_id_was_never_written_is_found_by_its_token(tmp_path):
    Store(tmp_path).open()
    _folder, name = arrays.open_folder(tmp_path, "finetune", [["finetune/a"], ["finetune/b", "collect/b"]])
    queued, over = queue.match(arrays.open_arrays(tmp_path), [task(name, 1)], time.time())
    assert queued.keys() == {"finetune/b", "collect/b"} and not over
    assert arrays.open_arrays(tmp_path)[0].job == "9"


def test_a_fresh_array_that_is_not_to_be_seen_yet_is_not_submitted_again_until_it_is_old(tmp_path):
    Store(tmp_path).open()
    arrays.open_folder(tmp_path, "finetune", [["finetune/a"]])
    opened = arrays.open_arrays(tmp_path)
    assert queue.match(opened, [], time.time()) == ({"finetune/a": None}, [])
    assert queue.match(opened, [], time.time() + queue.ACCEPT_S + 1) == ({}, opened)


def test_an_array_that_left_the_queue_is_over(tmp_path):
    Store(tmp_path).open()
    folder, _name = arrays.open_folder(tmp_path, "judge", [["judge/a"]])
    arrays.know(folder, "9")
    assert (
        queue.match(arrays.open_arrays(tmp_path), [task("winsweep.judge.other", 0)], time.time())[1][0].folder == folder
    )
    arrays.close(folder)
    assert arrays.open_arrays(tmp_path) == []


def test_an_array_that_is_taken_back_is_closed_by_nobody(tmp_path):
    """SLURM took no more jobs of one launcher, which removed the folder while another looked at what is over."""
    Store(tmp_path).open()
    folder, _ = arrays.open_folder(tmp_path, "judge", [["judge/a"]])
    assert arrays.close(folder) and not arrays.close(folder)
    shutil.rmtree(folder)
    assert not arrays.close(folder) and arrays.open_arrays(tmp_path) == []
