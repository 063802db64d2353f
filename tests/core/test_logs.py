"""Logs as a person is shown them: nothing that a terminal obeys, the right attempt's, and from stage to stage."""

import json
import os
import threading
import time

import pytest

from winsweep import logs
from winsweep.errors import BadStudy, NotFound
from winsweep.house import House, open_house

STUDY = """\
name: s
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {ins: {from: toy, num_examples: 8}, sum: {from: toy, kinds: [sum], num_examples: 8}}
seeds: [1]
recipe: {lr: 1.0e-3, epochs: 1, global_batch: 8, max_tokens: 64, precision: fp32}
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 4}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
CELL = "a.sum.s1"


@pytest.fixture
def house(tmp_path) -> House:
    (tmp_path / "s.yaml").write_text(STUDY)
    return open_house(tmp_path / "s.yaml", tmp_path / "runs")


def stage_of(house: House, stage: str, label: str = CELL):
    return logs.steps(house, label, stage)[0]


def write(house: House, stage: str, text: str, label: str = CELL, name: str = "attempt.log"):
    path = house.store.work(stage_of(house, stage, label).key) / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as f:
        f.write(text)
    return path


def finish(house: House, stage: str, label: str = CELL) -> None:
    """As if the stage were published: a directory of its name."""
    (house.store.root / stage_of(house, stage, label).name).mkdir(parents=True)


def fail(house: House, stage: str, label: str = CELL) -> None:
    house.store.explain(stage_of(house, stage, label).key, {"kind": "application", "reason": "boom"})


@pytest.mark.parametrize("hostile, shown", [
    ("\x1b[31mred\x1b[0m", "red"), ("\x1b]0;title\x07text", "text"), ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
                                            ("\x1bPq...\x1b\\y", "y"),
    ("\x1bc\x1b(B!", "!"), ("50%\r100%\r\nend", "50%\n100%\nend"), ("a\x00\x07\x08\x7f\x9b2Jb", "a2Jb"), ("\u202egnp.exe\u2066", "gnp.exe"),
    ("\x1b[", ""), ("tab\tand äöü 漢字\n", "tab\tand äöü 漢字\n"),
])
def test_a_terminal_is_given_nothing_to_obey(hostile, shown):
    assert logs.clean(hostile) == shown


def test_cleaning_takes_time_in_proportion_to_the_text():
    begun = time.perf_counter()
    logs.clean("\x1b]" * 300_000 + "\x1b[" * 300_000 + "\x1b[" + "1;" * 300_000)
    assert time.perf_counter() - begun < 2


def test_the_failed_attempt_comes_before_the_last_and_another_cells_failure_is_shown_where_it_holds_this_one_up(house):
    with pytest.raises(NotFound, match=r"a\.sum\.s1: no attempt has written a log yet; .*ready"):
        logs.current(house, CELL)
    first, second = write(house, "finetune", "x"), write(house, "collect", "y")
    os.utime(first, (1, 1))
    assert logs.current(house, CELL) == second and logs.current(house, CELL, "finetune") == first
    fail(house, "finetune")
    assert logs.current(house, CELL) == first
    os.utime(second, (1, 1))
    (house.store.work(stage_of(house, "finetune").key) / "ends" / "000001.json").unlink()
    other = write(house, "generate", "z", "a.ins.s1")
    fail(house, "generate", "a.ins.s1")
    assert logs.current(house, CELL) == other


def test_ranks_are_mentioned_and_the_latest_attempt_is_shown(house):
    old = write(house, "finetune", "old", name="slurm-1_0.0.log")
    os.utime(old, (1, 1))
    new = write(house, "finetune", "new", name="slurm-1_0.1.log")
    write(house, "finetune", "rank 1", name="slurm-1_0.1.r1.log")
    assert logs.current(house, CELL) == new
    assert logs.title(new) == f"==> {new} (other ranks: slurm-1_0.1.r1.log)"


def test_what_a_task_printed_before_its_attempt_had_a_log_is_shown(house):
    folder = house.store.root / ".work/arrays/abc"
    folder.mkdir(parents=True)
    (folder / "map.json").write_text(json.dumps({"keys": ["other", stage_of(house, "finetune").key]}))
    (folder / "7_0_0_log.out").write_text("another's")
    (folder / "7_1_0_log.out").write_text("env: python: No such file or directory")
    assert logs.current(house, CELL) == folder / "7_1_0_log.out"


def test_a_wrong_name_is_answered_with_the_nearest(house):
    with pytest.raises(BadStudy, match="did you mean a.sum.s1"):
        logs.current(house, "a.sum.s2")
    with pytest.raises(BadStudy, match="--stage finetun: .* did you mean finetune"):
        logs.current(house, CELL, "finetun")


def test_following_goes_from_stage_to_stage_and_loses_and_repeats_nothing(house):
    heard: list[str] = []
    before = write(house, "prepare", "before\n")
    os.utime(before, (1, 1))
    write(house, "finetune", "one\nhal")
    told = threading.Thread(target=lambda: heard.append(str(logs.follow(house, CELL, None, heard.append, poll_s=0.01))))
    told.start()
    for stage, text in [("finetune", "f\ntwo\n"), ("collect", "three\n"), ("generate", "four\n"), ("judge", "five, no line end")]:
        time.sleep(0.1)
        write(house, stage, text)
    time.sleep(0.1)
    finish(house, "judge")
    told.join(10)
    said = "".join(heard[:-1])
    lines = [line for line in said.splitlines() if not line.startswith("==>")]
    assert lines == ["one", "half", "two", "three", "four", "five, no line end"] and heard[-1] == "True"
    assert [line.split("/.work/")[1].split("/")[0] for line in said.splitlines() if line.startswith("==>")] == ["finetune", "collect",
                                                                                                                "generate", "judge"]


@pytest.mark.parametrize("cell", [CELL, "a.ins.s1"])
def test_following_ends_with_the_log_of_what_failed(house, cell):
    heard: list[str] = []
    write(house, "prepare", "before\n")
    write(house, "finetune", "boom\n", cell)
    fail(house, "finetune", cell)
    assert logs.follow(house, CELL, None, heard.append, poll_s=0.01) is False
    assert "".join(heard).splitlines()[-1] == "boom"
