"""What the dry run says a study can find."""

import json

import numpy as np

from winsweep.costs import findable
from winsweep.stats import power

from .test_judge_cost import opened, publish


def test_the_dry_run_says_which_differences_are_found_and_what_it_assumes(tmp_path):
    workspace = opened(tmp_path)
    assert findable.lines(workspace) == []  # a stub's instructions are not counted before they are made
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(200)})
    told, assumed = findable.lines(workspace)
    parity = power.detectable(power.of_parity(power.PUBLISHED, 200, 2), 200, 2, 3)
    apart = power.detectable(power.of_two_arms(power.PUBLISHED, 200, 2), 200, 2, 1)
    assert told == (
        f"200 instructions × 2 seeds: an arm {parity:.1f} points or more from 50 is found 4 times in 5, and so are two "
        f"arms {apart:.1f} points or more apart (p < 0.05 after Holm's correction for 3 and 1 tests)"
    )
    assert "41 points" in assumed


def test_what_no_win_rate_could_show_is_not_said_as_points(tmp_path):
    """Of so few instructions an arm would have to be more than 50 points from 50."""
    pairs = {4: "two arms that are 94.2 points or more apart are told apart", 2: "no two arms are, however far apart"}
    for num, said in pairs.items():
        (tmp_path / str(num)).mkdir()
        workspace = opened(tmp_path / str(num))
        publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(num)})
        assert f": no arm is found 4 times in 5, however far from 50; {said} (p" in findable.lines(workspace)[0]


def test_an_earlier_table_of_the_study_replaces_what_is_assumed(tmp_path):
    workspace = opened(tmp_path)
    publish(workspace, "a.ins.s1", {f"Q{i}": "the reference" for i in range(200)})
    before = findable.lines(workspace)[0]
    rng = np.random.default_rng(0)
    rows = [
        {
            "row": {"model": "a", "task": task, "seed": seed, "paired_win_rate_pct": 50.0},
            "instruction": list(range(200)),
            "paired_influence_pct": rng.normal(0, 5, 200).tolist(),
        }
        for task in ("base", "sum")
        for seed in (1, 2)
    ]
    path = workspace.store.root / "results/tiny.instructions.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": rows}))
    told, assumed = findable.lines(workspace)
    assert told != before and "tiny.instructions.json" in assumed
    path.write_text('{"cells": 3}')
    assert findable.lines(workspace)[0] == before
