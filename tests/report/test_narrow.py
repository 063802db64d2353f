"""The page at the widths of a phone and of a desk: its axis, its sections, its tables."""

import pytest

from tests.report.made_store import make, study_text
from winsweep.report.files import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(make(tmp_path_factory.mktemp("page"), study_text(1, [1, 2])))


@pytest.mark.parametrize("num", [5, 8])
def test_the_axis_has_a_number_beyond_every_interval(browser, report, num):
    browser.open(report)
    for low, high in [(38, 88), (47.1, 52.2), (0, 100), (3, 61), (49.9, 50.1)]:
        script = f"""const range = roundRange(...percentRange([{low}, {high}]), {num});
          const axis = xAxis(linear(...range, 0, 9), 0, 9, {num});
          return [...axis.querySelectorAll("text")].map((text) => Number(text.textContent))"""
        at = browser.run(script)
        assert 0 <= at[0] <= low and high <= at[-1] <= 100 and len(at) <= 12


def test_a_narrow_page_cuts_no_section_and_says_that_a_table_scrolls(browser, report):
    hint = "return getComputedStyle(document.querySelector('.sideways')).display"
    browser.open(report, width=400)
    cut = "return [...document.querySelectorAll('nav a')].filter(a => a.getBoundingClientRect().right > 400).length"
    assert browser.run(cut) == 0 and browser.run(hint) != "none"
    assert browser.run("return document.querySelector('#results').parentElement.tabIndex") == 0
    browser.open(report)
    assert browser.run(hint) == "none"
