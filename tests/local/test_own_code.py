"""A study with a task and a judge of the user's own, from YAML to CSV; what an edit makes again; one file's judge."""

import csv
import json
import subprocess
import sys

import pytest

from tests.core.test_plugins import JUDGE, TASK
from tests.local.conftest import ROOT, TINY, Bench

pytestmark = pytest.mark.slow
OWN = (
    TINY.replace(
        "sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}",
        "sum: {from: mine, path: rows.jsonl, first: 12}",
    )
    .replace("seeds: [1, 2]", "seeds: [1]")
    .replace("judge: reference_overlap", "judge: fair")
)
ROWS = "".join(f'{{"q": "What is {n}+1?", "a": "{n + 1}"}}\n' for n in range(12))


@pytest.fixture
def bench(tmp_path):
    for name, text in (("tasks/mine.py", TASK), ("judges/fair.py", JUDGE), ("rows.jsonl", ROWS)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Bench(tmp_path, OWN)


def rates(bench):
    return {r["task"]: float(r["win_rate_pct"]) for r in csv.DictReader(bench.csv().decode().splitlines())}


def test_own_code_makes_the_table_and_an_edit_makes_again_what_it_made(bench):
    bench.run()
    assert rates(bench) == {"base": 50, "rules": 50, "ins": 50, "sum": 50}
    assert "0 jobs run" in bench.run()
    before = bench.times()

    (bench.folder / "judges/fair.py").write_text(JUDGE.replace("1.5", "2.0"))
    bench.run()
    assert rates(bench) == {"base": 100, "rules": 100, "ins": 100, "sum": 100}
    anew = {name.split("/")[0] for name in bench.times().keys() - before.keys()}
    assert anew == {"check_judge", "judge", "aggregate"} or anew == {"judge", "aggregate"}

    before = bench.times()
    (bench.folder / "tasks/mine.py").write_text(TASK.replace('row["a"]', 'row["a"] + "."'))
    bench.run()
    anew = {name.rpartition("-")[0] for name in bench.times().keys() - before.keys()}
    assert {"prepare/sum", "finetune/a.sum.s1", "generate/a.sum.s1"} <= anew
    assert not {"finetune/a.ins.s1", "generate/a.base.s1"} & anew


def test_an_own_judge_with_limits_that_asks_no_endpoint_needs_no_key(bench, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    limited = JUDGE.replace("    margin: int = 0\n", "    margin: int = 0\n    limits: Limits = Limits()\n")
    (bench.folder / "judges/fair.py").write_text(
        limited.replace("\n\n@", "\nfrom winsweep.judge.limits import Limits\n\n@", 1)
    )
    bench.run("--only", "a.base.s1")


def test_a_row_that_an_own_task_cannot_read_is_told_before_anything_starts(bench):
    (bench.folder / "rows.jsonl").write_text('{"q": "no answer"}\n' + ROWS)
    told = bench.run(code=2)
    assert "tasks/mine.py:10: KeyError: " in told and "rows.jsonl:1; correct the file" in told
    assert "Traceback" not in told
    (bench.folder / "rows.jsonl").write_text(ROWS)
    (bench.folder / "tasks/mine.py").write_text(TASK.replace('"user"', '"human"'))
    assert "tasks/mine.py gives what cannot be read: a message has the role 'human'" in bench.run("--dry-run", code=1)
    (bench.folder / "tasks/mine.py").write_text(TASK.replace("(rows, options)", "(rows)"))
    assert "tasks/mine.py: TypeError: " in bench.run("--dry-run", code=1)


def test_an_own_judge_judges_one_file(bench):
    for name, text in (("a", "yes"), ("b", "no")):
        (bench.folder / f"{name}.json").write_text(json.dumps([{"instruction": "Yes?", "output": text}]))
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "launch/score.py"),
            "a.json",
            "--reference",
            "b.json",
            "--judge",
            "fair",
            "--store",
            "s",
        ],
        cwd=bench.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {"win_rate_pct": "50", "judge": "mine"}.items() <= dict(
        line.split() for line in done.stdout.splitlines()[1:-1]
    ).items()
