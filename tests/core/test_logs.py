"""Logs as a person is shown them: nothing that a terminal would act on, the right attempt's, and from stage to
stage.
"""

import json
import os
import threading
import time

import pytest

from winsweep import logs
from winsweep.errors import BadStudy, NotFound
from winsweep.workspace import Workspace, open_workspace

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
def workspace(tmp_path) -> Workspace:
    (tmp_path / "s.yaml").write_text(STUDY)
    return open_workspace(tmp_path / "s.yaml", tmp_path / "runs")


def stage_of(workspace: Workspace, stage: str, label: str = CELL):
    return logs.steps(workspace, label, stage)[0]


def write(workspace: Workspace, stage: str, text: str, label: str = CELL, name: str = "attempt.log"):
    path = workspace.store.work(stage_of(workspace, stage, label).key) / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as f:
        f.write(text)
    return path


def finish(workspace: Workspace, stage: str, label: str = CELL) -> None:
    """As if the stage were published: a directory of its name."""
    (workspace.store.root / stage_of(workspace, stage, label).name).mkdir(parents=True)


def fail(workspace: Workspace, stage: str, label: str = CELL) -> None:
    workspace.store.explain(stage_of(workspace, stage, label).key, {"kind": "application", "reason": "boom"})


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq...\x1b\\y", "y"),
        ("\x1bc\x1b(B!", "!"),
        ("50%\r100%\r\nend", "50%\n100%\nend"),
        ("a\x00\x07\x08\x7f\x9b2Jb", "a2Jb"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("\x1b[", ""),
        ("tab\tand äöü 漢字\n", "tab\tand äöü 漢字\n"),
    ],
)
def test_a_terminal_is_given_no_control_codes(hostile, shown):
    assert logs.clean(hostile) == shown


def test_cleaning_takes_time_in_proportion_to_the_text():
    begun = time.perf_counter()
    logs.clean("\x1b]" * 300_000 + "\x1b[" * 300_000 + "\x1b[" + "1;" * 300_000)
    assert time.perf_counter() - begun < 2


def test_the_failed_attempt_comes_before_the_last_and_another_cells_failure_is_shown_where_it_holds_this_one_up(
    workspace,
):
    with pytest.raises(NotFound, match=r"a\.sum\.s1: no attempt has written a log yet; .*ready"):
        logs.current(workspace, CELL)
    first, second = write(workspace, "finetune", "x"), write(workspace, "collect", "y")
    os.utime(first, (1, 1))
    assert logs.current(workspace, CELL) == second and logs.current(workspace, CELL, "finetune") == first
    fail(workspace, "finetune")
    assert logs.current(workspace, CELL) == first
    os.utime(second, (1, 1))
    (workspace.store.work(stage_of(workspace, "finetune").key) / "ends" / "000001.json").unlink()
    other = write(workspace, "generate", "z", "a.ins.s1")
    fail(workspace, "generate", "a.ins.s1")
    assert logs.current(workspace, CELL) == other


def test_ranks_are_mentioned_and_the_latest_attempt_is_shown(workspace):
    old = write(workspace, "finetune", "old", name="slurm-1_0.0.log")
    os.utime(old, (1, 1))
    new = write(workspace, "finetune", "new", name="slurm-1_0.1.log")
    write(workspace, "finetune", "rank 1", name="slurm-1_0.1.r1.log")
    assert logs.current(workspace, CELL) == new
    assert logs.title(new) == f"==> {new} (other ranks: slurm-1_0.1.r1.log)"


def test_what_a_task_printed_before_its_attempt_had_a_log_is_shown(workspace):
    folder = workspace.store.root / ".work/arrays/abc"
    folder.mkdir(parents=True)
    (folder / "map.json").write_text(json.dumps({"keys": [["other"], [stage_of(workspace, "finetune").key]]}))
    (folder / "7_0_0_log.out").write_text("another's")
    (folder / "7_1_0_log.out").write_text("env: python: No such file or directory")
    assert logs.current(workspace, CELL) == folder / "7_1_0_log.out"


def test_a_wrong_name_is_answered_with_the_nearest(workspace):
    with pytest.raises(BadStudy, match=r"did you mean a.sum.s1"):
        logs.current(workspace, "a.sum.s2")
    with pytest.raises(BadStudy, match=r"--stage finetun: .* did you mean finetune"):
        logs.current(workspace, CELL, "finetun")


def test_following_goes_from_stage_to_stage_and_loses_and_repeats_nothing(workspace):
    heard: list[str] = []
    before = write(workspace, "prepare", "before\n")
    os.utime(before, (1, 1))
    write(workspace, "finetune", "one\nhal")
    told = threading.Thread(
        target=lambda: heard.append(str(logs.follow(workspace, CELL, None, heard.append, poll_s=0.01)))
    )
    told.start()
    for stage, text in [
        ("finetune", "f\ntwo\n"),
        ("collect", "three\n"),
        ("generate", "four\n"),
        ("judge", "five, no line end"),
    ]:
        time.sleep(0.1)
        write(workspace, stage, text)
    time.sleep(0.1)
    finish(workspace, "judge")
    told.join(10)
    said = "".join(heard[:-1])
    lines = [line for line in said.splitlines() if not line.startswith("==>")]
    assert lines == ["one", "half", "two", "three", "four", "five, no line end"] and heard[-1] == "True"
    assert [line.split("/.work/")[1].split("/")[0] for line in said.splitlines() if line.startswith("==>")] == [
        "finetune",
        "collect",
        "generate",
        "judge",
    ]


@pytest.mark.parametrize("cell", [CELL, "a.ins.s1"])
def test_following_ends_with_the_log_of_what_failed(workspace, cell):
    heard: list[str] = []
    write(workspace, "prepare", "before\n")
    write(workspace, "finetune", "boom\n", cell)
    fail(workspace, "finetune", cell)
    assert logs.follow(workspace, CELL, None, heard.append, poll_s=0.01) is False
    assert "".join(heard).splitlines()[-1] == "boom"
