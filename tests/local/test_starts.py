"""A model that starts from a cell of the same study, from YAML to the table."""

import csv
import json
import subprocess
import sys

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep.report.provenance import provenance
from winsweep.workspace import open_workspace

pytestmark = pytest.mark.slow
BASE = "  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}\n"
RULES = '  rules: {rules: [eos, uniform, diversity], uniform: {"!": 1.0, "<": -4.0}}\n'
STARTS = (
    TINY.replace(BASE, f"{BASE}  x: {{from: a.sum}}\n")
    .replace(RULES, "")
    .replace("[1, 2]", "[1]")
    .replace("leave_out: [sum]}", "models: [a]}")
)


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> tuple[Bench, str]:
    made = Bench(tmp_path_factory.mktemp("started"), STARTS)
    return made, made.run()


def record(bench: Bench, stage: str, label: str) -> dict:
    (path,) = bench.store.glob(f"{stage}/{label}-*/record.json")
    return json.loads(path.read_bytes())


def test_its_finetunes_begin_with_the_weights_of_that_cell(started):
    bench, said = started
    assert "5 of 5 cells" in said and "x starts from a.sum.s1" in said
    (model,) = bench.store.glob("collect/a.sum.s1-*")
    base = record(bench, "finetune", "x.ins.s1")["inputs"]["base"]
    assert base == f"collect/{model.name.rpartition('-')[2]}"
    assert "generate/x.base.s1" not in bench.published()  # the answers of a.sum.s1 are those
    own, of_a = (
        json.loads(next(bench.store.glob(f"finetune/{label}-*/log.jsonl")).read_text().splitlines()[0])["loss"]
        for label in ("x.ins.s1", "a.ins.s1")
    )
    assert own < of_a  # the same rows, and weights that have learned something


def test_table_report_and_record_name_the_way_down(started):
    bench, _ = started
    rows = {f"{r['model']}.{r['task']}": r["starts_from"] for r in csv.DictReader(bench.csv().decode().splitlines())}
    assert rows == {"a.base": "", "a.ins": "", "a.sum": "", "x.base": "a.sum.s1", "x.ins": "a.sum.s1"}
    told = provenance(open_workspace(bench.study, bench.store))
    assert {"name": "x", "what": "starts from a.sum.s1"} in told["models"]
    assert "0 jobs run" in bench.run()


def test_a_start_that_fails_holds_what_starts_from_it_and_says_so(tmp_path):
    text = STARTS.replace("models: [a]}", "models: [a], recipe: {max_tokens: 9, long_examples: refuse}}")
    bench = Bench(tmp_path, text)
    said = bench.run(code=1)
    assert "cells: a.sum.s1, x.base.s1, x.ins.s1" in said
    assert {"judge/a.ins.s1", "judge/a.base.s1"} <= bench.published() and "finetune/x.ins.s1" not in bench.published()
    command = [sys.executable, str(ROOT / "launch/status.py"), str(bench.study), "--store", str(bench.store)]
    why = subprocess.run([*command, "--why", "x.ins.s1"], capture_output=True, text=True).stdout
    assert "the recipe allows 9" in why
