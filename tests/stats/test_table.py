"""The files of a table: their columns are those that are documented, their figures those of the annotations, their
order fixed.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from winsweep.attempt.job import Job
from winsweep.placement import Placement
from winsweep.stats import columns
from winsweep.stats.comparison import score
from winsweep.stats.table import write

from .cells import rows


def job_of(folder: Path, cells: list[tuple[str, int, float]], leave_out: Sequence[str] = ()) -> Job:
    """A job of aggregate over cells (task, seed, mean) on the same instructions."""
    inputs, params = {"instructions": folder / "instructions"}, []
    for task, seed, mean in cells:
        label = f"m.{task}.s{seed}"
        inputs[label] = folder / label
        inputs[label].mkdir()
        made, texts = rows(mean, seed=seed)
        made[0]["dataset"] = "odd"
        (inputs[label] / "annotations.json").write_text(json.dumps(made[::-1]))
        (inputs[label] / "record.json").write_text(json.dumps({"commit": "abc", "dirty": False}))
        params.append(
            {
                "label": label,
                "model": "m",
                "task": task,
                "seed": seed,
                "varying": {"lr": 1e-5},
                "leave_out": leave_out,
                "keys": {"generate": f"g{task}{seed}", "judge": "j"},
            }
        )
    inputs["instructions"].mkdir()
    (inputs["instructions"] / "instructions.jsonl").write_text(
        "".join(json.dumps({"instruction": t}) + "\n" for t in texts)
    )
    for made_in in (folder / "out", folder / "work"):
        made_in.mkdir()
    return Job("table-1", {"cells": params}, inputs, folder / "out", folder / "work", Placement())


@pytest.fixture
def made(tmp_path: Path) -> Path:
    job = job_of(tmp_path, [("a", 1, 0.3), ("a", 2, 0.3), ("b", 1, 0.6)])
    write(job)
    return job.out


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_columns_are_the_documented_ones_in_their_order(made):
    found = read(made / "results.csv")
    assert list(found[0]) == [*columns.NAMES, "lr", *columns.COLUMNS, *columns.MEAN_COLUMNS, *columns.PROVENANCE]
    assert list(read(made / "differences.csv")[0]) == list(columns.DIFFERENCES)
    assert list(score(*rows(0.3), None).columns) == [*columns.COLUMNS, "note"]
    assert [(r["task"], r["seed"]) for r in found] == [("a", "1"), ("a", "2"), ("b", "1"), ("a", "mean")]
    assert all(f"  {name}" in columns.text() for name in found[0] if name != "lr")


def test_a_mean_row_leaves_only_what_has_no_mean_empty(made):
    mean = read(made / "results.csv")[-1]
    empty = {name for name, value in mean.items() if value == ""}
    assert empty == {
        "lc_standard_error_pct",
        "lc_c",
        "standard_error_pct",
        "position_bias_pct",
        "jury_alpha",
        "jury_agreement",
        "jury_win_rates_pct",
        "chrf",
        "exact",
        "starts",
        "published_pct",
        "published_std_pct",
        "difference_pct",
        "note",
        "starts_from",
        "finetune_key",
        "generate_key",
        "judge_key",
    }


def test_everything_per_instruction_is_beside_it(made):
    found = json.loads((made / "instructions.json").read_text())
    assert (
        len(found["cells"]) == 3
        and len(found["instructions"]) == 60
        and "mod 5" in found["folds"]
        and set(found["versions"]) >= {"alpaca-eval", "scikit-learn"}
    )
    for cell, row in zip(found["cells"], read(made / "results.csv")):
        assert 100 * sum(p - 1 for p in cell["preference"]) / 60 == pytest.approx(float(row["win_rate_pct"]), abs=1e-5)
        assert [cell["instruction"], len(cell["paired_influence_pct"])] == [list(range(60)), 60] and cell["row"][
            "seed"
        ] == int(row["seed"])
        assert sum(cell["chars"]) / 60 == pytest.approx(float(row["mean_chars"]), abs=1e-5)


def test_categories_that_are_left_out_do_not_count(tmp_path):
    job = job_of(tmp_path, [("a", 1, 0.3)], leave_out=["odd"])
    write(job)
    assert read(job.out / "results.csv")[0]["n"] == "59"


def test_the_same_annotations_make_the_same_bytes(tmp_path):
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        job = job_of(tmp_path / name, [("a", 1, 0.3), ("b", 1, 0.5)])
        write(job)
        texts.append([(job.out / f).read_bytes() for f in ("results.csv", "differences.csv", "instructions.json")])
    assert texts[0] == texts[1]
