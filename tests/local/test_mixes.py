"""Mixes, samples and held-out rows, from YAML to the rows that were trained on."""

import json

import pytest

from tests.local.conftest import TINY, Bench

pytestmark = pytest.mark.slow
SUM = "sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}"


def prepared(bench: Bench, name: str, file: str = "examples.jsonl") -> list[str]:
    (path,) = bench.store.glob(f"prepare/{name}-*")
    with open(path / file, encoding="utf-8") as f:
        return [json.dumps(json.loads(line)) for line in f]


def test_a_mix_is_trained_on_and_says_its_sizes(tmp_path):
    text = TINY.replace(SUM, f"{SUM}\n  both: {{mix: {{ins: 0.25, sum: 0.75}}}}").replace("[1, 2]", "[1]")
    bench = Bench(tmp_path, text)
    bench.run("--only", "a.both.s1")
    mixed, ins, sums = (prepared(bench, name) for name in ("both", "ins", "sum"))
    assert len(mixed) == 8 + 24
    assert len([row for row in mixed if row in set(sums)]) >= 24
    assert len([row for row in mixed if row in set(ins)]) >= 8
    (record,) = bench.store.glob("prepare/both-*/record.json")
    assert json.loads(record.read_bytes())["notes"]["mix"] == "8 rows of ins, 24 rows of sum"


def test_held_out_rows_are_none_of_those_trained_on(tmp_path):
    lines = [json.dumps({"instruction": f"Say {n}.", "output": f"\u2028{n}"}) for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    text = (
        TINY.replace(SUM, "sum: {path: rows.jsonl, sample: {rows: 10, seed: 4, keep: rest}}")
        .replace(
            "instructions: {from: toy, part: dev}", "instructions: {path: rows.jsonl, sample: {rows: 10, seed: 4}}"
        )
        .replace("[1, 2]", "[1]")
    )
    bench = Bench(tmp_path, text)
    bench.run()
    trained = [json.loads(row)["messages"][0]["content"] for row in prepared(bench, "sum")]
    tested = [json.loads(row)["instruction"] for row in prepared(bench, "instructions", "instructions.jsonl")]
    assert len(trained) == 30 and len(tested) == 10 and not set(trained) & set(tested)


def test_a_sample_of_too_many_rows_is_told_before_anything_starts(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Say 1.", "output": "1"}\n')
    bench = Bench(tmp_path, TINY.replace(SUM, "sum: {path: rows.jsonl, sample: {rows: 10}}"))
    assert "sample: found 1 row, and 10 are to be drawn" in bench.run(code=2)
