"""What commands print: few lines however many cells, nothing wider than the terminal, failures always and whole."""

import csv
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep import arm_grid, failed, screen, table_view
from winsweep.check import dry
from winsweep.plan import Item
from winsweep.screen import Detail
from winsweep.stats.columns import header
from winsweep.workspace import Workspace, open_workspace

MANY = """\
name: many
models: {m: {pretrain: {seed: 0}}}
tasks: {%s}
seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: t0}}
"""
WRONG = TINY.replace("seeds: [1, 2]", "seeds: [1]").replace("leave_out: [sum]}", "recipe: {lr: 1.0e+30}}")
ESCAPE = "\x1b[2J\x07"


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[Workspace, list[Item]]:
    """10,000 cells of 1,000 arms, of which nothing is made."""
    folder = tmp_path_factory.mktemp("many")
    tasks = ", ".join(f"t{n}: {{from: toy, num_examples: {n + 1}}}" for n in range(1000))
    (folder / "many.yaml").write_text(MANY % tasks)
    workspace = open_workspace(folder / "many.yaml", folder / "runs")
    return workspace, workspace.plan(workspace.facts())


@pytest.fixture(scope="module")
def wrong(tmp_path_factory) -> tuple[Bench, str, str]:
    """A study of which one cell cannot be made, its first run without a terminal, and a second one that tries again."""
    bench = Bench(tmp_path_factory.mktemp("wrong"), WRONG)
    return bench, bench.run(code=1), bench.run("--retry-failed", "--verbose", code=1)


def call(command: str, study: Path, store: Path, *words: str, columns: int = 120) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / f"launch/{command}.py"), str(study), "--store", str(store), *words],
        env=os.environ | {"COLUMNS": str(columns)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def num_lines(text: str, columns: int) -> int:
    """Lines on a terminal, which breaks long ones."""
    return sum(max(1, -(-len(line) // columns)) for line in text.splitlines())


def test_a_dry_run_of_the_paper_is_read_at_a_glance(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "cache"))
    study = ROOT / "launch/sweeps/paper.yaml"
    said = call("sweep", study, tmp_path / "runs", "--dry-run")
    assert num_lines(said, 120) < 48, said
    for told in (
        "804 results to make, 0 reused",
        "lima_rephrased.jsonl",
        "--prefetch",
        "180 finetunes",
        "hours of one H100",
        "80,500 judgements",
        "about $8",
        "To run it: python launch/sweep.py",
    ):
        assert told in said, told
    for check in ("judge alpaca: OPENAI_API_KEY", "judge alpaca: model gpt-4-1106-preview", "model llama, olmo: files"):
        assert re.search(rf"^(problem|unknown) +{check}", said, re.MULTILINE), check
    assert re.search(r"^llama, olmo +mbpp, gsm, poetry, recipes +0/5 +0/1 +0/10 ", said, re.MULTILINE)
    status = call("status", study, tmp_path / "runs")
    assert num_lines(status, 120) < 40 and said.splitlines()[1:9] == status.splitlines()[1:9]


def test_10_000_cells_are_few_lines_and_each_has_its_own_on_request(many, capsys):
    workspace, items = many
    dry.say_plan(workspace, items, Detail())
    short = capsys.readouterr().out
    assert len(short.splitlines()) < 40 and "t0, t1, t2 and 997 more" in short
    dry.say_plan(workspace, items, Detail(cells=True))
    assert len(capsys.readouterr().out.splitlines()) == len(short.splitlines()) + 10_001


def test_arms_that_stand_differently_are_shown_worst_first_and_the_rest_summed(many):
    workspace, items = many
    states = {i.artifact.key: i.state for i in items}
    for n, (label, a) in enumerate(workspace.judged.items()):  # every arm stands differently, the last failed
        if n % 10 < (n // 10) % 7 or label.endswith("s1"):
            states[a.key] = "done"
        for used in (a.inputs["candidate"], a.inputs["candidate"].inputs["base"])[: (n // 70) % 3]:
            states[used.key] = "running" if n % 10 < n // 210 % 9 else "waiting"
    last = workspace.judged["m.t999.s9"]
    states[last.key] = "failed"
    lines = arm_grid.lines(workspace, states, 100)
    assert len(lines) < 40 and max(map(len, lines)) <= 100
    assert re.search(r"^m +t999 .* 1✗", "\n".join(lines), re.MULTILINE), lines
    assert sum("more, summed" in line for line in lines) <= 1 and any("✗ failed" in line for line in lines)


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 160])
def test_the_grids_are_no_wider_than_the_terminal(many, columns):
    workspace, items = many
    states = {i.artifact.key: "failed" if n % 3 else i.state for n, i in enumerate(items)}
    for lines in (arm_grid.lines(workspace, states, columns), arm_grid.cell_lines(workspace, states, columns)):
        assert max(map(len, lines)) <= columns, lines[:3]


def test_failures_of_one_cause_are_told_together_and_each_on_request(many):
    workspace, items = many
    tuned = [i.artifact for i in items if i.artifact.stage == "finetune"][:50]
    reasons = {a: f"application: {a.name} ran out of memory {ESCAPE}" for a in tuned} | {tuned[7]: "killed: signal 9"}
    told = [replace(i, state="failed", why=reasons[i.artifact]) if i.artifact in reasons else i for i in items]
    lines = failed.lines(workspace, told)
    assert [line for line in lines if line.startswith("failed")] == [
        f"failed  49 × finetune: {tuned[0].label}, {tuned[1].label}, {tuned[2].label} and 46 more",
        f"failed  {tuned[7].name}",
    ]
    assert any("ran out of memory" in line for line in lines) and "        killed: signal 9" in lines
    assert any("cells: m.t0.s0, m.t0.s1," in line for line in lines) and "\x1b" not in "".join(lines)
    assert sum(line.startswith("failed") for line in failed.lines(workspace, told, is_verbose=True)) == 50


def test_blocked_ones_are_told_with_the_reason(many):
    items = many[1]
    told = [replace(i, state="blocked", why=f"finetune/x{n % 9} failed") for n, i in enumerate(items[:90])]
    assert failed.blocked_lines(told) == [
        "blocked 90 results by 9 that failed: finetune/x0, finetune/x1, finetune/x2 and 6 more"
    ]
    assert failed.blocked_lines(told[:2]) == ["blocked 1 × finetune/x0 failed", "blocked 1 × finetune/x1 failed"]


def test_without_a_terminal_a_run_says_each_finished_cell_each_failure_and_a_last_summary(wrong):
    _, said, again = wrong
    lines = said.splitlines()
    for label in ("a.base.s1", "a.rules.s1", "a.ins.s1"):
        assert sum(bool(re.search(rf"s done +{label} +\(\d of 4 cells\)", line)) for line in lines) == 1
    assert not re.search(r"s (running|done) +\w+/", said)  # of attempts that go well nothing
    assert re.search(r"s failed +finetune/a\.sum\.s1-\w+ +application: NotFinite: .* log: /", said)
    assert re.search(r"s summary +0 of 4 cells done; \d+ jobs left", lines[0])
    last = [line for line in lines if "s summary " in line][-1]
    assert "3 of 4 cells done; 1 failed; 4 blocked; 0 jobs left" in last
    assert "cells: a.sum.s1" in said and "To try them again: " in said
    assert re.search(r"s running +finetune/a\.sum\.s1-\w+ +log: /", again)


def test_failed_and_blocked_ones_are_always_told(wrong):
    bench = wrong[0]
    for said in (call("status", bench.study, bench.store), bench.run("--dry-run")):
        assert re.search(
            r"^failed  finetune/a\.sum\.s1-\w+\n {8}application: NotFinite: .*\n {8}cells: a\.sum\.s1\n",
            said,
            re.MULTILINE,
        )
        assert re.search(r"^blocked 4 × finetune/a\.sum\.s1-\w+ failed$", said, re.MULTILINE)
        assert re.search(r"^a +sum +0/1 +0/1 1✗ +0/1 1– +0/1 1– +0/1 1–$", said, re.MULTILINE), said
    assert "--retry-failed" in said.splitlines()[-2]
    cells = call("status", bench.study, bench.store, "--cells")
    assert re.search(r"^a\.sum\.s1 .* failed +blocked +blocked +blocked$", cells, re.MULTILINE)


def results(path: Path, num_arms: int, seeds: int) -> Path:
    """A results file of arms with means over their seeds, as stats/table.py writes it."""
    figures = {
        "n": "805",
        "lc_win_rate_pct": "43.123456",
        "lc_standard_error_pct": "1.234567",
        "lc_formula": "official",
    }
    figures |= {"paired_win_rate_pct": "44.5", "paired_low_pct": "41.25", "paired_high_pct": "47.75"}
    figures |= {"win_rate_pct": "45.0", "standard_error_pct": "1.5", "mean_chars": "1234.5", "judge": "alpaca"}
    figures |= {
        "mean_chars_reference": "1500.0",
        "share_truncated": "0.01",
        "share_identical": "0.004",
        "chrf": "0.5",
        "starts": "0.25",
    }
    rows = []
    for n in range(num_arms):
        arm = {"model": "llama", "task": f"arm{n}", "epochs": "5"}
        rows += [arm | figures | {"seed": str(seed), "judge_model": f"x{ESCAPE}"} for seed in range(1, seeds + 1)]
        mean = {"seed": "mean", "num_seeds": str(seeds), "lc_standard_error_pct": "", "lc_std_pct": "1.1"}
        rows += [arm | figures | mean] if seeds > 1 else []
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, header(["epochs"]), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("columns", [60, 80, 120, 160])
def test_the_table_is_no_wider_than_the_terminal_and_says_where_the_rest_is(tmp_path, columns):
    path = results(tmp_path / "t.csv", 3, 2)
    before = path.read_bytes()
    lines = table_view.table_text(path, "", columns).splitlines()
    assert max(map(len, lines[:10])) <= columns and "±" not in "".join(lines)
    assert re.search(r" 1 +44\.5 +\[41\.2, 47\.8\]", lines[1]) and re.search(r" mean of 2 +44\.5 +\[41\.2, ", lines[3])
    heads = ["paired %", "95 % interval", "n", "cut", "identical", "LC win %"]
    shown = [head for head in heads if re.search(rf"  {re.escape(head)}(  |$)", lines[0])]
    assert shown == heads[: len(shown)] and len(shown) >= {60: 2, 80: 5, 120: 6, 160: 6}[columns]
    rest = " ".join(" ".join(lines).partition("not shown: ")[2].split())
    assert len(shown) == len(heads) or (f"{heads[-1]}. All columns: {path}" in rest)
    assert "\x1b" not in "".join(lines) and path.read_bytes() == before


def test_the_win_rate_of_published_figures_stands_beside_theirs_and_shares_are_percent(tmp_path):
    lines = table_view.table_text(results(tmp_path / "t.csv", 1, 1), "", 120).splitlines()
    assert lines[0].split("  ")[-1].strip() == "LC win %" and lines[1].split()[-4:] == ["805", "1", "0.4", "43.1"]


def test_of_many_rows_the_means_are_shown(tmp_path):
    path = results(tmp_path / "t.csv", 24, 5)
    text = table_view.table_text(path, "", 120)
    assert text.count("mean of 5") == 24 and "120 rows of single seeds. All columns:" in " ".join(text.split())
    alone = table_view.table_text(results(tmp_path / "u.csv", 1000, 1), "", 120)
    assert len(alone.splitlines()) < 50 and "960 rows" in alone


def test_a_file_is_as_wide_as_said(monkeypatch):
    monkeypatch.setenv("COLUMNS", "97")
    assert screen.width() == 97
    monkeypatch.setenv("COLUMNS", "0")
    assert screen.width() >= screen.LEAST
