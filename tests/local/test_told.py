"""What a person is told of finished and failed work: logs that say something, one good line, files by name, answers
that are no answers.
"""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep import logs
from winsweep.remarks import remarks, told_of
from winsweep.workspace import open_workspace


def call(command: str, bench: Bench, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / f"launch/{command}.py"), str(bench.study), "--store", str(bench.store), *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_the_log_of_a_finished_cell_says_what_was_done(finished):
    for stage in ("prepare", "finetune", "collect", "generate", "judge"):
        said = call("logs", finished, "a.sum.s1", "--stage", stage)
        lines = said.splitlines()
        assert (
            lines[1].startswith("done: in ")
            and " s on " in lines[1]
            and any(": attempt 1 on " in line for line in lines)
        ), said
        assert lines[-1].split(": done after ")[0].startswith(f"{stage}/")
    assert "; num_rows 24" in call("logs", finished, "a.sum.s1", "--stage", "prepare")


def test_an_error_of_ours_is_one_line_and_leads(bench):
    bench.write(
        TINY.replace("seeds: [1, 2]", "seeds: [1]").replace(
            "leave_out: [sum]}", "leave_out: [sum], recipe: {lr: 1.0e+30}}"
        )
    )
    bench.run(code=1)
    said = call("logs", bench, "a.sum.s1")
    lines = said.splitlines()
    assert lines[1].startswith("failed: application: ") and "NotFinite" in lines[1] and "Traceback" not in said
    assert lines[-1].startswith("application: ") and lines[-1].removeprefix("application: ") in lines[1]


def test_an_unexpected_error_keeps_its_traceback_and_ends_with_the_line(capfd, tmp_path):
    from winsweep.attempt.endings import say_why

    try:
        [][1]  # noqa: PLE0643  # as a mistake of ours would
    except IndexError as e:
        say_why(e, tmp_path)
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith("Traceback") and said[-1] == "application: IndexError: list index out of range"


def test_why_says_that_a_file_changed(tmp_path):
    bench = Bench(
        tmp_path,
        TINY.replace("seeds: [1, 2]", "seeds: [1]").replace(
            "{from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}", "{path: mine.jsonl}"
        ),
    )
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"instruction": "a", "output": "b"}\n' * 8)
    bench.run("--train-only", "--only", "a.sum.s1")
    mine.write_text('{"instruction": "a", "output": "c"}\n' * 8)
    said = call("status", bench, "--why", "a.sum.s1")
    assert f"source.data: the content of {mine} changed on 20" in said and "sha256" not in said
    mine.rename(tmp_path / "other.jsonl")
    bench.write(bench.study.read_text().replace("mine.jsonl", "other.jsonl"))
    assert f"source.data: {tmp_path}/other.jsonl here, {mine} there" in call("status", bench, "--why", "a.sum.s1")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, ""),
        ({"share_truncated": 0.1, "share_empty": 0.01, "share_identical": 0.2}, ""),
        ({"share_truncated": 1.0}, "100 % of the answers were cut by the limit of new tokens"),
        ({"share_empty": 0.3}, "30 % of the answers are empty"),
        ({"share_identical": 0.97}, "97 % of the answers are the reference's text"),
    ],
)
def test_what_is_said_of_shares(found, told):
    assert told_of(found).startswith(told) and bool(told_of(found)) == bool(told)
    assert not told_of({"share_identical": 1.0}, with_itself=True)


def test_answers_that_are_no_answers_are_remarked(finished, tmp_path):
    """By status and in sweep's last lines, with and without a table; an arm against itself is identical and no news."""
    shutil.copytree(finished.store, tmp_path / "runs")
    bench = Bench(tmp_path)
    said = " ".join(call("status", bench).split())
    assert (
        re.search(r"note a\.base\.s1, .*: .*100 % of the answers were cut by the limit of new tokens", said)
        and "8 of 8 cells done" in said
    )
    assert "note     a.base.s1, " in bench.run()
    (bench.store / "results/tiny.csv").unlink()
    workspace = open_workspace(bench.study, bench.store)
    judged = bench.store / workspace.judged["a.sum.s2"].name / "annotations.json"
    rows = json.loads(judged.read_text())
    judged.write_text(json.dumps([r | {"output_2": r["output_1"], "truncated": False} for r in rows]))
    notes = remarks(workspace, workspace.plan(workspace.facts()))
    assert [n for n in notes if "a.sum.s2: " in n and "100 % of the answers are the reference's text" in n], notes
    assert not [n for n in notes if "a.ins.s1" in n and "reference's text" in n]
    assert logs.outcome(workspace, logs.current(workspace, "a.sum.s2")).startswith("done: in ")
