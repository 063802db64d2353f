"""A model that starts from a cell of the same study, from YAML to the table."""

import csv
import json

import pytest

from tests.local.conftest import TINY, Bench

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
def started(tmp_path_factory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("started"), STARTS)
    made.said = made.run()
    return made


def record(bench: Bench, stage: str, label: str) -> dict:
    (path,) = bench.store.glob(f"{stage}/{label}-*/record.json")
    return json.loads(path.read_bytes())


def test_its_finetunes_begin_with_the_weights_of_that_cell(started):
    assert "5 of 5 cells" in started.said
    made = record(started, "collect", "a.sum.s1")
    assert record(started, "finetune", "x.ins.s1")["inputs"]["base"] == made["key"]
