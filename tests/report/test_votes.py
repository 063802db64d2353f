"""Votes in the reader: cast by key, blind or not, kept by the browser, given out as a file and taken in again."""

import hashlib
import json

import pytest

from tests.report.read_study import ASKED, read_study, rows_of, show, verdict
from tests.report.readable import report


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return read_study(tmp_path_factory.mktemp("read"))


@pytest.fixture
def downloads(browser, tmp_path):
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    return tmp_path


@pytest.fixture
def reader(made, browser, downloads):
    browser.open(report(made))
    browser.run("localStorage.clear()")
    browser.driver.refresh()
    show(browser, "cell=m.t0.s1&row=1")
    return browser


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def saved(reader, folder):
    for old in folder.glob("*.json"):
        old.unlink()
    reader.one("#save-votes").click()
    path = reader.wait(lambda b: next((p for p in folder.glob("*.votes.json") if p.stat().st_size), None))
    return path, json.loads(path.read_text())


def test_votes_come_out_as_a_file(made, reader, downloads):
    for keys in ("1j", "2j", "3j", "1", "0"):  # the last is taken back
        for key in keys:
            reader.press(key)
    found = saved(reader, downloads)[1]
    assert {name: found[name] for name in ("format", "version", "study")} == {
        "format": "winsweep votes",
        "version": 1,
        "study": "made",
    }
    rows = rows_of(made)
    assert [(v["row"], v["vote"], v["preference"]) for v in found["votes"]] == [
        (1, "cell", 2),
        (2, "tie", 1.5),
        (3, "reference", 1),
    ]
    for v in found["votes"]:
        row = rows[v["row"]]
        assert [v["instruction"], v["output_1"], v["output_2"]] == [
            digest(row[name]) for name in ("instruction", "output_1", "output_2")
        ]
        assert (v["cell"], v["reference"], v["blind"], v["left"]) == ("m.t0.s1", "m.ins.s1", False, "cell")


def test_votes_outlive_the_page_and_are_filtered_by(made, reader):
    for key in "1j2j3":
        reader.press(key)
    reader.driver.refresh()
    reader.wait(lambda b: b.texts("#reader-counts"))
    assert reader.texts("#save-votes") == ["Save 3 votes"]
    show(reader, "cell=m.t0.s1&vote=voted")
    assert reader.run("return READ.shown.map(r => r.place)") == [1, 2, 3]
    show(reader, "cell=m.t0.s1&vote=against")
    votes = {1: "won", 2: "tied", 3: "lost"}
    assert reader.run("return READ.shown.map(r => r.place)") == [
        n for n, v in votes.items() if verdict(rows_of(made)[n]) != v
    ]


def test_blind_votes_are_on_shuffled_sides_with_nothing_that_tells(made, reader, downloads):
    show(reader, "cell=m.t0.s1&row=1&verdict=lost&sort=influence&other=m.t1.s1")
    reader.press("h")
    text = reader.run("return document.getElementById('reader').innerText")
    assert not [
        name for name in ("m.t0", "m.ins", "m.t1", "better by", "win rate", "reference", "token", "cut") if name in text
    ]
    assert reader.run("return READ.shown.length") == len(ASKED)
    rows, lefts = rows_of(made), []
    reader.run("go({ row: 1 })")
    for n in range(1, 21):
        assert reader.texts("#reader-row .place b") == [f"#{n}"]
        left = reader.run("return sidesOf(READ.rows[READ.place])[0].side.text")
        lefts.append("cell" if left == rows[n]["output_2"] else "reference")
        reader.press("1")  # the left one, and on to the next row
    found = saved(reader, downloads)[1]["votes"]
    assert [v["row"] for v in found] == list(range(1, 21)) and all(v["blind"] for v in found)
    for v, left in zip(found, lefts):
        same = rows[v["row"]]["output_1"] == rows[v["row"]]["output_2"]
        assert v["vote"] == v["left"] and (same or v["left"] == left)
    assert 3 < sum(v["left"] == "cell" for v in found) < 18


def test_a_file_of_votes_is_taken_in_and_another_studys_is_not(reader, downloads):
    for key in "1j3":
        reader.press(key)
    found = saved(reader, downloads)[1]
    given = downloads / "given.json"  # no browser reads a file that changes while it does, as one just saved may
    given.write_text(json.dumps(found))
    reader.run("localStorage.clear()")
    reader.driver.refresh()
    reader.wait(lambda b: b.texts("#reader-counts"))
    field = reader.one("#reader-bar input[type=file]")
    field.send_keys(str(given))
    reader.wait(lambda b: b.texts("#save-votes") == ["Save 2 votes"])
    again = saved(reader, downloads)[1]
    assert again["votes"] == found["votes"]
    for text, told in (
        ("nonsense", "no JSON"),
        (json.dumps(found | {"instructions": "x"}), "other instructions"),
        ("[]", "no file of votes"),
    ):
        (downloads / "other.json").write_text(text)
        reader.one("#reader-bar input[type=file]").send_keys(str(downloads / "other.json"))
        reader.wait(lambda b, told=told: told in b.texts("#reader-vote .tally")[0])
    assert reader.texts("#save-votes") == ["Save 2 votes"] and not reader.complaints()


def test_a_browser_that_keeps_nothing_says_so_and_still_saves(reader, downloads):
    reader.run("Storage.prototype.setItem = () => { throw new Error('none') }")
    reader.press("1")
    assert "keeps no votes" in reader.texts("#reader-vote .tally")[0]
    assert len(saved(reader, downloads)[1]["votes"]) == 1
