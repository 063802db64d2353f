"""A study whose judge likes lists, from its YAML to the page: which win rate is first, what the control changed, and
what goes with wins.
"""

import math
import random
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Browser
from tests.report.made_store import HEAD, make, study_text
from winsweep.errors import BadStudy
from winsweep.report.contents import contents
from winsweep.report.files import write_report
from winsweep.study.study import read_study
from winsweep.workspace import Workspace

BEFORE = "reference: {task: ins}}"
TASTE = 2.2  # logits, for a list


def judged(judged: Any, n: int) -> dict[str, Any]:
    """The arm t1 writes lists, which the judge likes, and is worse than t0, which writes none."""
    if judged.inputs["candidate"] == judged.inputs.get("reference"):
        return {"output_2": "a" * 40, "output_1": "a" * 40, "preference": 1.5}
    rng = random.Random(f"{judged.label} {n}")
    arm = judged.label.split(".")[1]
    is_list = rng.random() < {"t0": 0.1, "t1": 0.8}.get(arm, 0.4)
    merit = {"t0": 0.5, "t1": -0.4}.get(arm, 0.0)
    mine, theirs = (rng.randint(4, 6) for _ in range(2))
    listed = rng.random() < 0.2
    preference = 1.0 + (rng.random() < 1 / (1 + math.exp(-merit - TASTE * (is_list - listed) - 0.1 * (mine - theirs))))
    texts = (("- " * has + "words of a line\n") * num for has, num in ((is_list, mine), (listed, theirs)))
    return dict(zip(("output_2", "output_1"), texts, strict=True)) | {"preference": preference}


def made(folder: Path, control: str) -> Workspace:
    head = HEAD.replace(BEFORE, f"reference: {{task: ins}}, control: {control}}}") if control else HEAD
    return make(folder, study_text(2, (1,), head), num=150, row=judged)


def test_the_control_decides_what_is_first_and_says_what_it_changed(tmp_path):
    found = {}
    for control in ("", "style", "none"):
        (tmp_path / f"of{control}").mkdir()
        found[control] = contents(made(tmp_path / f"of{control}", control))
    columns = {control: of["control"]["column"] for control, of in found.items()}
    assert columns == {"": "paired_win_rate_pct", "style": "style_win_rate_pct", "none": "win_rate_pct"}
    for of in found.values():
        for arm in of["arms"]:
            assert arm["headline_pct"] == float(of["rows"][arm["row"]][of["control"]["column"]])
        assert {row["control"] for row in of["differences"]} == {of["control"]["name"]}
    best = {control: max(of["arms"], key=lambda arm: arm["headline_pct"])["name"] for control, of in found.items()}
    assert best["none"] != "t0" == best["style"]
    assert "comparisons at equal length and Markdown" in found["style"]["answer"]
    assert "at equal" not in found["none"]["answer"]
    assert found["style"]["control"]["changes"][1].startswith("Style control moves t1 of m by −")
    assert "swaps the ranks of" in found["style"]["control"]["changes"][1]
    assert found[""]["control"]["changes"][1].startswith("Style control would move t1 of m by −")
    lists = [row for row in found["style"]["style"]["rows"] if row["covariate"] == "lists"]
    assert len(lists) == 3 and all(row["odds"] > 1 for row in lists)
    assert any(text.startswith("Answers with more lists won more often") for text in found["style"]["style"]["says"])


def test_the_control_is_in_the_key_of_the_table_alone(tmp_path):
    keys = {}
    for control in ("", "length", "style"):
        (tmp_path / f"of{control}").mkdir()
        workspace = made(tmp_path / f"of{control}", control)
        keys[control] = workspace.table(set(workspace.judged)).key, [a.key for a in workspace.judged.values()]
    assert keys[""] == keys["length"] and keys[""][1] == keys["style"][1] and keys[""][0] != keys["style"][0]


def test_a_control_that_is_none_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_text(
        study_text(1, (1,), HEAD.replace(BEFORE, "reference: {task: ins}, control: markdown}"))
    )
    with pytest.raises(BadStudy, match=r"control.*markdown(.|\n)*length, style(,| or) none"):
        read_study(tmp_path / "s.yaml", lambda path: "0" * 64)


def test_the_page_shows_it(browser: Browser, tmp_path):
    workspace = made(tmp_path, "style")
    browser.open(write_report(workspace))
    assert "Win rate at equal length and Markdown, %" in browser.one("#win-rates").text
    assert "Style control moves t1 of m" in browser.one("#changes").text
    assert "Answers with more lists won more often" in browser.one("#says").text
    shown = browser.run(
        "return [...document.querySelectorAll('#tastes tbody tr')].map(tr => "
        "[Number(tr.dataset.arm), tr.querySelector('[data-covariate=lists]').textContent])"
    )
    rows = {row["arm"]: row for row in contents(workspace)["style"]["rows"] if row["covariate"] == "lists"}
    assert {arm: text.split()[1] for arm, text in shown} == {arm: f"{row['odds']:.2f}" for arm, row in rows.items()}
    assert not browser.complaints()


def test_without_markdown_nothing_is_said_of_it(browser: Browser, tmp_path):
    workspace = make(tmp_path, study_text(1, (1,)))
    assert contents(workspace)["style"] == {"says": [], "rows": []}
    browser.open(write_report(workspace))
    assert not browser.all("#style") and not browser.complaints()
