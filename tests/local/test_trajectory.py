"""A trajectory from a word of a study to rows of the table."""

import csv
import json

import pytest

from tests.local.conftest import TINY, Bench

UNTRAINED = '  base: {rules: []}\n  rules: {rules: [eos, uniform, diversity], uniform: {"!": 1.0, "<": -4.0}}\n'
POINTS = (
    TINY.replace("seeds: [1, 2]", "seeds: [1]")
    .replace("num_examples: 24}", "num_examples: 24, trajectory: [1]}")
    .replace(UNTRAINED, "")
    .replace("  sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}\n", "")
)


@pytest.mark.slow
def test_a_point_is_a_row_that_says_what_it_is(tmp_path):
    bench = Bench(tmp_path, POINTS)
    assert "2 of 2 cells" in bench.run()
    rows = list(csv.DictReader(bench.csv().decode().splitlines()))
    assert [(r["task"], r["seed"], r["n"]) for r in rows] == [("ins", "1", "60"), ("ins@epoch1of2", "1", "60")]
    point, whole = (next(bench.store.glob(f"finetune/a.ins.s1{end}-*")) for end in ("@epoch1of2", ""))
    steps, told = (
        [json.loads(line) for line in (made / "log.jsonl").read_text().splitlines()] for made in (point, whole)
    )
    assert len(steps) == 3 and len(told) == 6
    for name in ("step", "loss", "lr", "grad_norm"):
        assert [line[name] for line in steps] == [line[name] for line in told[:3]]
    assert (
        json.loads((point / "train.json").read_bytes())["num_steps"] == 3
        and rows[0]["finetune_key"] != rows[1]["finetune_key"]
    )
    assert bench.run("--only", "a.ins.s1@epoch1of2").count("0 jobs run") == 1  # the table keeps the other rows
