"""What the line below a table says of the win rate that it shows."""

import csv

import pytest

from tests.local.test_printed import results
from winsweep import table_view


@pytest.mark.parametrize(
    ("formulas", "control", "said"),
    [
        (["paired", "paired"], "length", "paired %: wins at equal length; 50 is"),
        (
            ["raw", "paired"],
            "length",
            "paired %: wins at equal length, but plain in 1 of 2 rows: llama.arm0.5 (the CSV's column note says ",
        ),
        (["raw", "raw"], "length", "paired %: wins, not at equal length (the CSV's column note says why); 50 is"),
        (["raw", "raw"], "none", "win %: wins; 50 is"),
    ],
)
def test_one_line_says_what_the_win_rate_is_and_of_which_rows_it_is_the_plain_one(tmp_path, formulas, control, said):
    path = results(tmp_path / "t.csv", 2, 1)
    with open(path, newline="") as f:
        rows = [row | {"control": control} for row in csv.DictReader(f)]
    for row, formula in zip(rows, formulas):
        row |= {"paired_formula": formula, "share_identical": "0.1", "low_pct": "1", "high_pct": "2"}
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    told = " ".join(table_view.table_text(path, "", 120).split())
    assert said in told and told.count("equal length") == said.count("equal length")
