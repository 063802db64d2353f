"""The reader where a study is odd: long answers, one cell, no categories, all ties, files that are gone."""

import shutil
import time

import pytest

from tests.report.made_store import study_text
from tests.report.read_study import ASKED, NUM, answer, judge, show
from tests.report.readable import make, report

LONG = 100_000


def tie(judged, own, theirs, n):
    return {"preference": 1.5}


def opened(browser, workspace, address):
    browser.open(report(workspace))
    show(browser, address)
    return browser


def test_answers_of_100_000_characters_are_shortened_and_stay_quick(browser, tmp_path):
    def long(generation, n):
        return {"output": " ".join(f"{generation.label}{i % 977}" for i in range(LONG))[:LONG]}

    reader = opened(browser, make(tmp_path, study_text(1, [1]), ASKED[:20], long, judge), "cell=m.t0.s1&row=1")
    assert {len(text) for text in reader.texts(".answer .text")} == {6000}
    assert reader.texts(".answer .rest") == ["Show all 100,000 characters"] * 2
    start = time.monotonic()
    for key in "djkj":
        reader.press(key)
    assert time.monotonic() - start < 8  # on a machine that does other things, too
    reader.one(".answer.cell .rest").click()
    assert [len(text) for text in reader.texts(".answer .text")] == [LONG, 6000]
    reader.press("j")
    assert {len(text) for text in reader.texts(".answer .text")} == {6000} and not reader.complaints()


def test_one_cell_without_categories_and_all_ties(browser, tmp_path):
    asked = [{"instruction": row["instruction"], "dataset": ""} for row in ASKED]
    made = make(tmp_path, study_text(0, [1]), asked, answer, tie)
    reader = opened(browser, made.only({"m.ins.s1"}), "cell=m.ins.s1")
    assert "tie 60" in reader.texts("#reader-counts")[0] and "win rate 50.0 %" in reader.texts("#reader-counts")[0]
    assert not reader.all("[name=category], [name=other], [name=versus]")
    reader.press("\ue014")
    assert reader.texts(".answer h3")[:1] == ["m.ins.s1"] and not reader.complaints()


def test_cells_that_are_not_judged_show_their_answers(browser, tmp_path):
    def leave(a):
        return a.stage == "judge" or (a.stage == "generate" and a.label.startswith("m.ins.s2"))

    reader = opened(browser, make(tmp_path, study_text(1, [1, 2]), ASKED, answer, judge, leave), "cell=m.t0.s1&row=1")
    assert reader.texts("#reader-counts") == ["60 instructions"] and "Not judged yet" in reader.texts("#reader-row")[0]
    reader.press("1")
    assert reader.texts("#save-votes") == ["Save 1 vote"]
    show(reader, "cell=m.t0.s2&row=2")
    reader.press("d1")
    assert "not answered yet" in reader.texts(".answer.reference")[0] and not reader.complaints()


@pytest.mark.parametrize("lost", ["folder", "file", "other"])
def test_texts_that_are_not_beside_the_page_are_told_of(browser, tmp_path, lost):
    path = report(make(tmp_path, study_text(1, [1]), ASKED, answer, judge))
    browser.open(path)
    name = browser.run("return cellEntry('m.t0.s1').answers")
    if lost == "folder":
        shutil.rmtree(path.with_suffix(".texts"))
    elif lost == "file":
        (path.with_suffix(".texts") / name).unlink()
    else:
        (path.with_suffix(".texts") / name).write_text("<script>parent.postMessage({winsweep: 'AAAA'}, '*')</script>")
    browser.run("PATIENCE.frame = 300; location.hash = '#cell=m.t0.s1'")
    told = browser.wait(lambda b: b.texts(".failure"))
    assert name in told[0] or lost != "file"
    assert "winsweep report" in told[0]
    browser.press("\ue014")
    browser.one("#close-reader").click()
    browser.wait(lambda b: not b.run("return document.body.classList.contains('reading')"))


def test_many_rows_and_cells_are_listed(browser, tmp_path):
    asked = [{"instruction": f"Question {n}", "dataset": "one"} for n in range(3100)]
    made = make(tmp_path, study_text(12, [1, 2]), asked[:NUM], answer, judge)
    reader = opened(browser, made, "cell=m.t11.s2")
    assert len(reader.all("#reader-cell option")) == 28
    reader = opened(
        browser, make(tmp_path / "more", study_text(0, [1]), asked, answer, judge), "cell=m.ins.s1&row=3099"
    )
    assert len(reader.all("#reader-rows button")) == 3000 and "100 more" in reader.texts("#reader-list")[0]
    assert reader.texts("#reader-row .place b") == ["#3099"]
