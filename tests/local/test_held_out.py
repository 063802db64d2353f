"""A finetune with held-out rows, from a study to its log: it is the result of one without, and one that is done
stays.
"""

import json

from tests.local.conftest import TINY
from winsweep.remarks import not_looked_at
from winsweep.workspace import open_workspace

ONE = TINY.replace("seeds: [1, 2]", "seeds: [1]")
WITH = ONE.replace("precision: fp32}", "precision: fp32, eval: {data: {from: toy, num_examples: 30}, every: 4}}")
ONLY = ("--train-only", "--only", "a.sum.s1")


def test_held_out_losses_are_in_the_log_and_a_result_that_is_done_stays(bench):
    bench.write(WITH)
    bench.run(*ONLY)
    [made] = bench.store.glob("finetune/a.sum.s1-*")
    lines = [json.loads(line) for line in (made / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "eval_loss" in line] == [4, 6]
    notes = json.loads((made / "record.json").read_bytes())["notes"]["held_out"]
    assert notes["every"] == 4 and notes["num_examples"] == 30
    assert not not_looked_at(open_workspace(bench.study, bench.store))
    before = bench.times()
    bench.write(ONE)
    assert "0 jobs run" in bench.run(*ONLY) and bench.times() == before
    bench.write(WITH.replace("num_examples: 30", "num_examples: 31"))
    said = bench.run(*ONLY)
    assert "0 jobs run" in said and bench.times() == before
    [note] = not_looked_at(open_workspace(bench.study, bench.store))
    assert note == "note     a.sum.s1: finetuned before eval: named these rows; the result stays as it is"


def test_rows_that_cannot_be_read_are_said_before_anything_runs(bench):
    (bench.folder / "bad.jsonl").write_text('{"instruction": 7}\n')
    bench.write(WITH.replace("{from: toy, num_examples: 30}", "bad.jsonl"))
    assert "bad.jsonl:1" in bench.run(*ONLY, code=2) and not list(bench.store.glob("finetune/*"))
