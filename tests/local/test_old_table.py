"""A table that is not the one asked for is never shown as it: an older one is said to be old, and the exit code says
that something is missing.
"""

import csv
import subprocess
import sys

from winsweep.toy.facts import KINDS

from .conftest import ROOT, TINY

ONE = TINY.replace('  rules: {rules: [eos, uniform, diversity], uniform: {"!": 1.0, "<": -4.0}}\n', "").replace(
    "seeds: [1, 2]", "seeds: [1]"
)
EMPTY = ONE.replace("leave_out: [sum]", f"leave_out: [{', '.join(KINDS)}]")  # of which nothing is left to count


def status(bench) -> str:
    words = [sys.executable, str(ROOT / "launch/status.py"), str(bench.study), "--store", str(bench.store)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_table_of_an_earlier_run_is_not_shown_for_one_that_could_not_be_made(bench):
    bench.write(ONE)
    assert f"3 of 3 cells judged; table: {bench.store}/results/tiny.csv" in bench.run()
    table = bench.store / "results/tiny.csv"
    before = table.read_bytes()
    bench.write(EMPTY)
    said = bench.run(code=1)
    assert (
        "paired %" not in said
        and "3 of 3 cells judged; the table of these cells could not be made: application: Incomplete: a.sum.s1" in said
    )
    assert f"{table} is of an earlier run" in said and table.read_bytes() == before
    assert f"{table} is of an earlier run" in status(bench) and "could not be made" in status(bench)
    bench.write(ONE)
    assert "0 jobs run; 3 of 3 cells judged; table: " in bench.run() and "is of an earlier run" not in status(bench)


def test_the_table_of_an_earlier_run_is_not_named_as_this_one_before_any_cell_is_done(bench):
    bench.write(ONE)
    bench.run("--dry-run")
    assert f"0 of 3 cells done; table: {bench.store}/results/tiny.csv, not made yet" in status(bench)
    bench.run()
    bench.write(ONE.replace("epochs: 2", "epochs: 3").replace("max_new_tokens: 8", "max_new_tokens: 7"))
    assert f"0 of 3 cells done; table: not made yet; {bench.store}/results/tiny.csv is of an earlier run" in status(
        bench
    )


def test_a_table_that_somebody_changed_is_put_right(bench):
    bench.write(ONE.replace("  sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}\n", ""))
    bench.run()
    table = bench.store / "results/tiny.csv"
    table.write_text("model,task\nmine,1\n")
    assert "is of an earlier run" in status(bench)
    bench.run()
    with open(table, newline="") as f:
        assert {row["task"] for row in csv.DictReader(f)} == {"base", "ins"}
