"""What came to a study after it had a whole table is said, as p and intervals do not know of it; and which arms a table
could not tell from 50.
"""

import csv
import json
import shutil

from tests.report.made_store import make, study_text
from winsweep import earlier_tables, remarks
from winsweep.attempt.job import Job
from winsweep.placement import Placement
from winsweep.results import path_of, publish_table
from winsweep.stats.columns import BOOTSTRAP
from winsweep.stats.table import write
from winsweep.workspace import Workspace


def with_table(workspace: Workspace) -> Workspace:
    """The workspace whose table is made as its stage makes it."""
    asked, published = workspace.wanted[0], workspace.store.published()
    at = workspace.store.root / asked.name
    shutil.rmtree(at, ignore_errors=True)
    at.mkdir(parents=True)
    inputs = {name: published[a.key] for name, a in asked.inputs.items()}
    write(Job(asked.name, asked.plain_params, inputs, at, at, Placement(), {}))
    publish_table(workspace.store, workspace.study.name, asked.key)
    return workspace


def test_seeds_and_arms_that_come_after_a_whole_table_are_said(tmp_path):
    workspace = make(tmp_path, study_text(1, [1]))
    path_of(workspace).unlink(missing_ok=True)
    earlier_tables.record(workspace)
    plans = path_of(workspace).with_suffix(".plans.json")
    assert not plans.exists()  # nobody could look yet
    first = with_table(workspace)
    earlier_tables.record(first)
    earlier_tables.record(first)
    assert len(json.loads(plans.read_text())) == 1 and not earlier_tables.lines(first)
    for folder in first.store.root.iterdir():  # the results stay
        if folder.name != "results" and folder.is_dir():
            shutil.rmtree(folder)
    more = with_table(make(tmp_path, study_text(2, [1, 2])))
    (line,) = earlier_tables.lines(more)
    assert line.startswith("seeds 2 and arms m.t1 came after a whole table of 20") and "fixed before" in line
    earlier_tables.record(more)
    assert len(json.loads(plans.read_text())) == 2 and earlier_tables.lines(more) == [line]
    assert any(line in told for told in remarks.remarks(more, more.plan(more.facts())))
    for content in ("{", "[1]", '{"seeds": 3}', '[{"seeds": 3}]'):
        plans.write_text(content)
        assert not earlier_tables.lines(more)


def test_arms_that_a_table_cannot_tell_from_half_are_named_with_what_would(tmp_path):
    workspace = with_table(make(tmp_path, study_text(3, [1])))
    (line,) = remarks.undecided(workspace)
    assert line.startswith("not told from 50: m.") and "instructions would do" in line
    path_of(workspace).write_text("another table")
    assert not remarks.undecided(workspace)


def test_errors_by_resampling_stand_beside_the_others_in_both_files(tmp_path):
    text = study_text(1, [1, 2]).replace("compare: {", "compare: {bootstrap: 200, ")
    path = path_of(with_table(make(tmp_path, text)))
    for file in (path, path.with_suffix(".differences.csv")):
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert list(rows[0])[-3:] == list(BOOTSTRAP) and all(float(row["bootstrap_error_pct"]) >= 0 for row in rows)
    mean = next(r for r in csv.DictReader(path.read_text().splitlines()) if (r["task"], r["seed"]) == ("t0", "mean"))
    low, rate, high = (float(mean[n]) for n in ("bootstrap_low_pct", "paired_win_rate_pct", "bootstrap_high_pct"))
    assert low < rate < high
