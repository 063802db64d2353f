"""What a control changes is said, and which win rate is tested is the study's choice."""

import dataclasses
import json

import pytest

from winsweep.stats.control import FIGURES, changes, control_of
from winsweep.stats.style_words import tastes
from winsweep.stats.table import write
from winsweep.table_view import table_text

from .test_table import job_of
from .test_table import read as read_rows


def arm(name: str, plain: float, length: float, style: float | None, model: str = "m") -> dict:
    rates = {"win_rate_pct": plain, "paired_win_rate_pct": length, "style_win_rate_pct": style}
    return {"model": model, "name": name, **rates}


A, B = arm("a", 61.0, 60.0, 50.0), arm("b", 55.0, 55.5, 55.0)

SWAPPED = "Style control would move a of m by −10.0 points, the most of 2 arms, and swap the ranks of a and b of m."
BOTH_WAYS = (
    "Answers with more lists won, in some arms more and in some less often, in 2 of 3 arms, other things equal: odds "
    "× 0.50 to 2.00 for 10 to 12 more per 1,000 characters."
)


@pytest.mark.parametrize(
    ("arms", "control", "wanted"),
    [
        (
            [A, B],
            "style",
            [
                "Length control moves a of m by −1.0 points, the most of 2 arms, and keeps their order.",
                "Style control moves a of m by −10.0 points, the most of 2 arms, and swaps the ranks of a and b of m.",
            ],
        ),
        (
            [A, B],
            "none",
            [
                "Length control would move a of m by −1.0 points, the most of 2 arms, and keep their order.",
                SWAPPED,
            ],
        ),
        (
            [B],
            "length",
            ["Length control moves b of m by +0.5 points.", "Style control would move b of m by −0.5 points."],
        ),
        ([arm("a", 50, 50, 50)], "length", ["Length control moves no win rate by 0.1 points."]),
        ([arm("a", 50, 51, None)], "style", ["Length control moves a of m by +1.0 points."]),
        ([], "style", []),
    ],
)
def test_what_a_control_changes(arms, control, wanted):
    assert changes(arms, control) == wanted


def test_arms_of_two_models_change_no_places_with_each_other():
    (_, said) = changes([A, arm("b", 55.0, 55.5, 55.0, model="z")], "style")
    assert said.endswith(", and keeps their order.")


def test_many_swapped_ranks_are_counted():
    (_, said) = changes([A, B, arm("c", 52, 52, 54)], "style")
    assert said.endswith(", and swaps the ranks of 2 pairs, such as a and b of m.")


def taste(name: str, value: float | None, error: float = 0.1, deviation: float = 12.0) -> dict:
    if value is None:
        return {"covariate": name, "log_odds": None, "low": None, "high": None, "why": "no answer has any"}
    row = {"covariate": name, "log_odds": value, "low": value - 2 * error, "high": value + 2 * error}
    unit = "characters" if name == "length" else "per 1,000 characters"
    return row | {"odds": 2.0 if value > 0 else 0.5, "deviation": deviation, "unit": unit, "why": ""}


def test_what_goes_with_wins_is_said():
    rows = [taste("length", 0.7, deviation=340.4), taste("lists", -0.7), taste("bold", 0.1), taste("code", None)]
    assert tastes(rows) == [
        "Longer answers won more often, other things equal: odds × 2.00 for 340 characters more.",
        "Answers with more lists won less often, other things equal: odds × 0.50 for 12 more per 1,000 characters.",
        "Nothing tells whether wins go with bold text.",
    ]
    assert tastes([taste("lists", 0.7), taste("lists", -0.7, deviation=9.7), taste("lists", 0.1)]) == [BOTH_WAYS]
    assert tastes([taste("code", None)]) == tastes([]) == []


@pytest.mark.parametrize("control", FIGURES)
def test_differences_and_the_terminal_go_by_the_control(control, tmp_path):
    job = job_of(tmp_path, [("a", 1, 0.3), ("a", 2, 0.35), ("b", 1, 0.6), ("b", 2, 0.62)])
    write(dataclasses.replace(job, params=job.params | {"control": control}))
    read = {name: read_rows(tmp_path / f"out/{name}.csv") for name in ("results", "differences", "style")}
    figure = FIGURES[control]
    means = {row["task"]: row for row in read["results"] if row["seed"] == "mean"}
    parity = [row for row in read["differences"] if row["against"] == "parity"]
    assert {row["control"] for rows in (read["results"], read["differences"]) for row in rows} == {control}
    for row in parity:
        name = row["arm"].split()[0]
        assert float(row["difference_pct"]) == pytest.approx(float(means[name][figure.rate]) - 50, abs=1e-5)
    text = table_text(tmp_path / "out/results.csv", "", 200)
    assert figure.head in text.splitlines()[0] and f"wins{' ' * bool(figure.where)}{figure.where}; 50" in text
    assert {row["covariate"] for row in read["style"]} == {"length", "headers", "lists", "bold", "code"}
    assert len(read["style"]) == 5 * (4 + 2) and json.loads((tmp_path / "out/instructions.json").read_text())


def test_a_table_of_before_is_controlled_for_length():
    assert control_of("") == control_of(None) == control_of("=1+1") == "length"
