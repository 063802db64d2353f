"""The reader in a browser: what it shows, counts and keeps is what the annotations say."""

import random
import time

import pytest

from tests.report.made_store import study_text
from tests.report.read_study import ASKED, NUM, answer, judge, read_study, rows_of, show, verdict
from tests.report.readable import make, report

UNMARKED = """return [...document.querySelectorAll('.answer .text')].map((text) => {
  const copy = text.cloneNode(true);
  copy.querySelectorAll("mark").forEach((mark) => mark.remove());
  return copy.textContent.split(/\\s+/).join(" ").trim() })"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return read_study(tmp_path_factory.mktemp("read"))


@pytest.fixture
def reader(made, browser):
    """The browser with the reader of m.t0.s1 open, and the path of its page."""
    browser.open(report(made))
    browser.run("localStorage.clear()")
    browser.driver.refresh()
    show(browser, "cell=m.t0.s1")
    return browser


def ratio(row):
    mine, theirs = len(row["output_2"]), len(row["output_1"])
    return mine / theirs if theirs else float("inf") if mine else 1


def changed_its_mind(row):
    both = row.get("preferences_by_order")
    return bool(both) and (both[0] - 1.5) * (both[1] - 1.5) < 0


PASS = {
    "category=kind2": lambda r: r["dataset"] == "kind2",
    "verdict=won": lambda r: verdict(r) == "won",
    "verdict=lost": lambda r: verdict(r) == "lost",
    "verdict=tied": lambda r: verdict(r) == "tied",
    "length=double": lambda r: ratio(r) >= 2,
    "length=longer": lambda r: ratio(r) > 1,
    "length=similar": lambda r: 0.9 <= ratio(r) <= 1.1,
    "length=shorter": lambda r: ratio(r) < 1,
    "length=half": lambda r: ratio(r) <= 0.5,
    "answer=cut": lambda r: r["truncated"],
    "answer=uncut": lambda r: not r["truncated"],
    "answer=empty": lambda r: not r["output_2"].strip(),
    "answer=same": lambda r: r["output_1"] == r["output_2"],
    "judge=orders": changed_its_mind,
    "judge=close": lambda r: 1.4 <= r["preference"] <= 1.6,
    "judge=sure": lambda r: abs(r["preference"] - 1.5) > 0.45,
    "q=bLUE": lambda r: "blue" in (r["instruction"] + r["output_1"] + r["output_2"]).lower(),
    "q=words+1": lambda r: bool(r.get("raw_completion")) and "words 1" in r["raw_completion"][0]["text"],
    "verdict=lost&answer=cut&category=kind1": lambda r: (
        verdict(r) == "lost" and r["truncated"] and r["dataset"] == "kind1"
    ),
}


def shown(browser):
    return [
        int(place)
        for place in browser.run(
            "return [...document.querySelectorAll('#reader-rows button')].map(b => b.dataset.place)"
        )
    ]


@pytest.mark.parametrize("address", PASS)
def test_filters_let_through_exactly_the_rows_that_python_counts(made, reader, address):
    show(reader, f"cell=m.t0.s1&{address}")
    rows = rows_of(made)
    expected = [n for n, row in enumerate(rows) if PASS[address](row)]
    assert shown(reader) == expected
    counts = [sum(verdict(rows[n]) == name for n in expected) for name in ("won", "tied", "lost")]
    told = reader.run("return [...document.querySelectorAll('#reader-counts b')].map(b => Number(b.textContent))")
    assert told == (counts if expected else told)


@pytest.mark.parametrize(
    "versus, here, there", [("won_lost", "won", "lost"), ("lost_won", "lost", "won"), ("differ", None, None)]
)
def test_rows_that_one_arm_won_and_another_lost(made, reader, versus, here, there):
    show(reader, f"cell=m.t0.s1&other=m.t1.s2&versus={versus}")
    pairs = list(zip(map(verdict, rows_of(made)), map(verdict, rows_of(made, "m.t1.s2"))))
    assert shown(reader) == [n for n, (a, b) in enumerate(pairs) if ((a, b) == (here, there) if here else a != b)]
    assert reader.texts(".answer h3")[2] == "m.t1.s2"


def test_the_win_rate_of_all_rows_is_the_tables(made, reader):
    row = next(r for r in reader.run("return CONTENTS.rows") if (r["task"], r["seed"]) == ("t0", "1"))
    assert f"win rate {float(row['win_rate_pct']):.1f} %" in reader.texts("#reader-counts")[0]


def test_rows_are_sorted_by_how_much_they_move_the_win_rate(made, reader):
    from winsweep.report.table import read_table

    table = read_table(made)
    psi = table.by_instruction["cells"][table.labels.index("m.t0.s1")]["paired_influence_pct"]
    show(reader, "cell=m.t0.s1&sort=influence")
    assert [abs(round(psi[n] / NUM, 5)) for n in shown(reader)] == sorted(
        (abs(round(p / NUM, 5)) for p in psi), reverse=True
    )
    show(reader, "cell=m.t0.s1&sort=against")
    assert psi[shown(reader)[0]] == min(psi)


def test_a_row_shows_answers_preference_order_and_words(made, reader):
    n = next(n for n, r in enumerate(rows_of(made)) if r["truncated"] and verdict(r) == "lost")
    row = rows_of(made)[n]
    show(reader, f"cell=m.t0.s1&row={n}")
    assert reader.texts("#reader-row .instruction .text") == [row["instruction"]]
    texts = [row["output_2"] or "no text", row["output_1"] or "no text"]
    assert reader.texts(".answer .text, .answer .no-text") == texts
    facts = reader.texts(".answer .facts")[0]
    assert (
        facts.startswith(f"{len(row['output_2'])} character")
        and f"{row['num_tokens']} token" in facts
        and "cut at the limit" in facts
    )
    said = reader.texts(".verdict")[0]
    assert f"{100 * (2 - row['preference']):.1f} %" in said and "asked in both orders" in said
    assert f"with the reference first {100 * (row['preferences_by_order'][0] - 1):.1f} %" in said
    assert reader.texts(".reply .text") == [r["text"] for r in row["raw_completion"]]


def test_keys_go_through_rows_and_cells_and_search(reader):
    for key in "jjk":
        reader.press(key)
    assert reader.texts("#reader-row .place b") == ["#1"]
    reader.press("/")
    reader.press("dogs and dogs")
    assert shown(reader) == list(range(2, NUM, 3))
    reader.press("\ue00c")  # escape leaves the field, then the reader
    reader.press("j")
    assert reader.texts("#reader-row .place b") == ["#5"]
    reader.press("\ue014")  # right
    reader.wait(lambda b: b.texts(".answer h3")[:1] == ["m.t0.s2"])
    assert reader.texts("#reader-row .place b") == ["#5"] and shown(reader) == list(range(2, NUM, 3))
    reader.press("\ue012")  # left
    reader.wait(lambda b: b.texts(".answer h3")[:1] == ["m.t0.s1"])
    reader.press("\ue00c")
    reader.wait(lambda b: not b.run("return document.body.classList.contains('reading')"))
    assert not reader.complaints()


def test_an_address_leads_back_to_the_row_and_its_filters(reader):
    show(reader, "cell=m.t0.s1&verdict=lost&sort=longest")
    reader.press("j")
    place, rows = reader.texts("#reader-row .place b"), shown(reader)
    reader.wait(lambda b: f"row={place[0][1:]}" in b.run("return location.hash"))
    reader.open(reader.driver.current_url)
    reader.wait(lambda b: b.texts("#reader-counts"))
    assert (reader.texts("#reader-row .place b"), shown(reader)) == (place, rows)


@pytest.mark.parametrize(
    "address",
    [
        "cell=nobody&row=3",
        "cell=m.t0.s1&row=-1",
        "cell=m.t0.s1&row=9e9",
        "cell=m.t0.s1&verdict=toString&sort=__proto__&category=x&other=y",
        "%E0%A4%A",
        "cell",
    ],
)
def test_an_address_that_is_none_does_no_harm(reader, address):
    reader.run("location.hash = arguments[0]", f"#{address}")
    time.sleep(0.2)
    assert not reader.complaints() and (
        len(shown(reader)) == NUM or not reader.run("return document.body.classList.contains('reading')")
    )


def test_differences_are_marked_on_demand(made, reader):
    assert not reader.all("#reader mark")
    n = next(n for n, r in enumerate(rows_of(made)) if len(r["output_1"]) > 20 and len(r["output_2"]) > 20 and n % 11)
    show(reader, f"cell=m.t0.s1&row={n}")
    reader.press("d")
    assert reader.texts(".answer .text") == [rows_of(made)[n][side] for side in ("output_2", "output_1")]
    kept = reader.run(UNMARKED)
    assert kept[0] == kept[1]


def test_the_marks_show_a_longest_common_text(reader):
    rng = random.Random(1)
    for _ in range(60):
        a, b = ["".join(rng.choice("ab,") for _ in range(rng.randint(0, 12))) for _ in range(2)]
        pieces = reader.run(
            "return [sharedPieces([...arguments[0]], [...arguments[1]]), diffTexts(arguments[0], arguments[1])]", a, b
        )
        assert len(pieces[0]) == longest_common(a, b) and all(a[i] == b[j] for i, j in pieces[0])
        assert ["".join(part for part, _ in parts) for parts in pieces[1]] == [a, b]


def longest_common(a, b):
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            best[i + 1][j + 1] = best[i][j] + 1 if x == y else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1]


def test_an_address_that_is_late_does_not_lead_back_to_the_cell_before(reader):
    for _ in range(3):
        reader.run("step(1); setTimeout(() => stepCell(1), 190); setTimeout(() => step(1), 195)")
        reader.wait(lambda b: b.texts(".answer h3")[:1] == ["m.t0.s2"])
        time.sleep(0.4)
        assert "cell=m.t0.s2" in reader.run("return location.hash")
        reader.run("stepCell(-1)")
        reader.wait(lambda b: b.texts(".answer h3")[:1] == ["m.t0.s1"])


def test_the_turns_of_a_conversation_stand_below_each_other(browser, tmp_path):
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<b>Which colour?"}]
    asked = [{"instruction": "Which colour?", "dataset": "d", "messages": said}, *ASKED[1:]]
    browser.open(report(make(tmp_path, study_text(1, [1]), asked, answer, judge)))
    show(browser, "cell=m.t0.s1")
    assert browser.texts("#reader-row .turn .role") == ["system", "user"]
    assert browser.texts("#reader-row .turn .text") == ["Be brief.", "<b>Which colour?"]


def test_the_list_shows_the_last_turn_of_the_user(browser, tmp_path):
    turns = [("user", "Which colour?"), ("assistant", "Blue."), ("user", "And why?")]
    said = [{"role": role, "content": text} for role, text in turns]
    asked = [{"instruction": "Which colour?", "dataset": "d", "messages": said}, *ASKED[1:]]
    browser.open(report(make(tmp_path, study_text(1, [1]), asked, answer, judge)))
    show(browser, "cell=m.t0.s1")
    lines = browser.texts("#reader-rows .line")
    assert lines[0] == "And why?" and len(lines) == len(ASKED) and "Which colour?" not in lines
