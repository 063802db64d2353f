"""The page in a real browser: it shows the CSV's figures, sorts and hides, and lets nothing out."""

import json
import re
from pathlib import Path

import pytest

from tests.report.browser import Browser
from tests.report.made_store import HEAD, drawn_row, make, study_text
from winsweep.report.contents import contents
from winsweep.report.files import report_path, write_report
from winsweep.report.page import SCRIPTS, WEB, data, page, printable

TWO = HEAD.replace("models:\n", "models:\n  z: {pretrain: {num_tokens: 0, width: 24, layers: 1, heads: 2, mlp: 32}}\n")
HOSTILE = (
    "</script><script>window.hit=1</script>",
    "<img src=x onerror='window.hit=1'>",
    "<svg onload=window.hit=1>",
    "javascript:window.hit=1",
    "\u202egnp.exe\u2066",
    "<!--<script>",
    "{{script}}",
    "a\x00b\x1b[31m\u2028c",
    "'-alert(1)-'",
    '"><a href="https://example.org/x">x</a>',
    "\ud800half",
    "=cmd|' /C calc'!A0",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 24 cells: two models, three seeds."""
    return write_report(make(tmp_path_factory.mktemp("page"), study_text(2, (1, 2, 3), TWO)))


def rows_of(report: Path) -> list[dict[str, str]]:
    text = report.read_text(encoding="utf-8")
    return json.loads(re.findall(r'<script type="application/json" id="contents">(.*?)</script>', text, re.DOTALL)[0])[
        "rows"
    ]


def shown_cells(browser: Browser, table: str) -> list[tuple[int, str, str]]:
    script = """return [...document.querySelectorAll(`${arguments[0]} tbody tr`)].flatMap(tr =>
      [...tr.querySelectorAll("[data-column]")].map(td =>
        [Number(tr.dataset.row), td.dataset.column, td.textContent]))"""
    return [tuple(cell) for cell in browser.run(script, table)]


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def is_shown(row: dict[str, str], column: str, text: str) -> bool:
    """Whether a cell of the page is the CSV's figure, rounded as it is shown."""
    if column == "paired_low_pct" and " to " in text:
        low, high = text.split(" to ")
        return is_shown(row, "paired_low_pct", low) and is_shown(row, "paired_high_pct", high)
    if not row[column]:
        return text == ""
    value = 100 * float(row[column]) if column.startswith("share_") else float(row[column])
    return abs(number(text) - value) <= 0.501 * 10 ** -len(text.partition(".")[2])


def test_every_figure_of_the_tables_is_the_csv_s(browser, report):
    browser.open(report)
    browser.one("#seeds").click()
    rows, cells = rows_of(report), shown_cells(browser, "#results")
    assert {row for row, _, _ in cells} == set(range(len(rows))) and len(rows) == 24 + 8
    for row, column, text in cells + shown_cells(browser, "#answer-table"):
        assert is_shown(rows[row], column, text), (row, column, text, rows[row][column])
    assert not browser.complaints()


def test_the_forest_plot_has_each_arm_s_numbers_and_its_intervals_in_place(browser, report):
    browser.open(report)
    drawn = browser.run("""return [...document.querySelectorAll("#win-rates g.arm")].map(g => ({
      id: Number(g.dataset.arm), value: g.querySelector("text.value").textContent,
      seeds: g.querySelectorAll("circle.seed").length,
      ends: ["x1", "x2"].map(n => Number(g.querySelector("line.interval").getAttribute(n)))}))""")
    arms = browser.run("return CONTENTS.arms")
    rows = rows_of(report)
    assert sorted(d["id"] for d in drawn) == list(range(8))
    wide = sum(d["ends"][1] - d["ends"][0] for d in drawn)
    span = sum(float(rows[a["row"]]["paired_high_pct"]) - float(rows[a["row"]]["paired_low_pct"]) for a in arms)
    for d in drawn:
        row = rows[arms[d["id"]]["row"]]
        assert d["seeds"] == 3 and abs(number(d["value"]) - float(row["paired_win_rate_pct"])) < 0.0501
        half = (float(row["paired_high_pct"]) - float(row["paired_low_pct"])) * wide / span
        assert d["ends"][1] - d["ends"][0] == pytest.approx(half, abs=0.01)


def test_the_matrix_has_the_differences_of_the_csv(browser, report):
    browser.open(report)
    shown = browser.run("""return [...document.querySelectorAll("table.matrix")].flatMap(t =>
      [...t.querySelectorAll("tbody tr")].flatMap(tr => [...tr.cells].slice(1).map((td, i) =>
        [t.dataset.model, tr.cells[0].textContent, t.rows[0].cells[i + 1].textContent, td.textContent, td.className])))
    """)
    found = browser.run("return CONTENTS.differences")
    told = {
        (r["model"], r["arm"], r["against"].replace("parity", "half")): (float(r["difference_pct"]), float(r["p_holm"]))
        for r in found
    }
    told |= {(m, b, a): (-d, p) for (m, a, b), (d, p) in told.items()}
    figures = [(*s[:3], number(s[3]), s[4]) for s in shown if s[3]]
    assert len(figures) == 2 * (3 + 6)  # of each model: three arms against half, and against each other
    for model, arm, against, value, kind in figures:
        difference, p = told[model, arm, against]
        assert abs(value - difference) < 0.0501 and ("than" in kind) == (p < 0.05)


def test_arms_are_sorted_and_hidden_everywhere(browser, report):
    browser.open(report)
    names = lambda: browser.texts("#win-rates g.arm text.name")
    rates = [float(v) for v in browser.texts("#win-rates g.arm text.value")]
    assert rates[:4] == sorted(rates[:4], reverse=True) and rates[4:] == sorted(rates[4:], reverse=True)
    browser.run("const s = document.getElementById('sort'); s.value = 'name'; s.dispatchEvent(new Event('change'))")
    assert names() == ["base", "ins", "t0", "t1"] * 2
    browser.run("document.querySelector('#arms').open = true")
    browser.one("#arms input[data-arm='0']").click()
    assert len(names()) == 7 == len(browser.all("#results tbody tr")) and browser.texts("#count") == [
        "7 of 8 arms shown"
    ]
    browser.run("[...document.querySelectorAll('#arms button')].find(b => b.textContent === 'none').click()")
    assert names() == [] and not browser.complaints()


def test_the_page_asks_for_nothing_and_runs_nothing_of_what_others_wrote(browser, tmp_path):
    def row(a, n):
        return drawn_row(a, n) | {"dataset": asked(n)}

    def asked(n):
        return HOSTILE[n % len(HOSTILE)].replace("\ud800", "")  # half a character is in no file of instructions

    workspace = make(tmp_path, study_text(1), row=row, instruction=lambda n: f"{n} {asked(n)}")
    found = contents(workspace)
    for text in HOSTILE:
        found["notes"].append({"kind": "warning", "text": text, "of": [text]})
        found["columns"]["lc_win_rate_pct"] += text
    found["study"]["notes"], found["answer"] = "\n\n".join(HOSTILE), " ".join(HOSTILE)
    found["arms"][0] |= {"name": HOSTILE[0], "model": HOSTILE[1]}
    found["state"]["missing"] = [{"cell": t, "stage": t, "state": t, "why": t} for t in HOSTILE]
    path = tmp_path / "hostile.html"
    path.write_text(page(found), encoding="utf-8")
    browser.open(path)
    assert browser.run("return window.hit") is None and not browser.complaints()
    assert browser.requests() == [path.as_uri()]
    assert not browser.all("img, iframe, a[href^=http], a[href^=java]") and len(browser.all("script")) == 3
    notes = browser.texts("#notes ul.notes > li")
    assert any("⟨U+202E⟩gnp.exe⟨U+2066⟩" in text for text in notes) and any(
        "a⟨U+0000⟩b⟨U+001B⟩" in text for text in notes
    )


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1400, "dark")])
def test_nothing_is_wider_than_the_window(browser, report, width, scheme):
    browser.scheme(scheme)
    browser.open(report, width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    ends = browser.run(
        "return [...document.querySelectorAll('main > * > .drawn > svg')].map(s => s.getBoundingClientRect().right)"
    )
    assert ends and max(ends) <= width + 1 and not browser.complaints()


def test_paper_has_every_section_and_no_controls(browser, report):
    browser.scheme("light", "print")
    browser.open(report)
    assert not browser.run("return document.getElementById('controls').offsetHeight")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.scheme("light")


def test_a_report_without_any_judged_cell_opens(browser, tmp_path):
    workspace = make(tmp_path, study_text(1))
    for artifact in workspace.judged.values():
        for path in sorted((workspace.store.root / artifact.name).glob("*")):
            path.unlink()
        (workspace.store.root / artifact.name).rmdir()
    browser.open(write_report(workspace))
    assert browser.texts("#answer") == ["No cell is judged yet, so there is no answer."]
    assert len(browser.all("#missing tbody tr")) == 6 and not browser.complaints()


def test_what_runs_is_a_few_small_files_that_put_no_html():
    assert sorted(SCRIPTS) == sorted(p.name for p in WEB.glob("*.js"))
    for path in WEB.glob("*.js"):
        text = path.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?://(?!www\.w3\.org)", text
        ), path
        assert len(text.splitlines()) <= 250


def test_json_in_a_script_element_ends_nothing_and_is_read_back():
    value = {"a": "".join(HOSTILE[:-2]), "b": [1.5, None, "\u2028"]}
    assert "<" not in data(value) and ">" not in data(value) and json.loads(data(value)) == value
    assert printable("a\u202eb\x00\u00a0é") == "a\ufffdb\ufffd\u00a0é"


def test_the_page_lies_beside_the_table(report):
    assert report.name == "made.html" and report.parent.name == "results" and report_path.__doc__


def test_analyses_and_picks_are_shown_where_there_are_any(browser, tmp_path):
    found = contents(make(tmp_path, study_text(1)))
    ends = {f"{name}_{end}pct": "51.2" for name in ("per_token", "sequence") for end in ("", "low_", "high_")}
    rank = {"cell": "m.t0.s1", "model": "m", "task": "t0", "seed": 1, "num_rows": 9, "num_comparisons": 900} | ends
    points = [[n / 50, (n * 7 % 13) / 90 - 0.05] for n in range(50)]
    shares = {f"{n}_{e}pct": "12.0" for n in ("answered", "generalist", "refused") for e in ("", "low_", "high_")}
    guard = {"cell": "m.t0.s1", "guard": "form", "win_rate_pct": "40.91", **shares}
    drift = [{"cell": f"m.t0.s{n}", "task": "t0", "points": points, "styles": {}} for n in (1, 2)]
    found["analyses"] = {"rank": [rank], "drift": drift, "containment": [guard]}
    run = {"family": "m.t0", "n": "9", "behind_pct": "0.0", "is_tied": "False"} | dict.fromkeys(
        ("lc_win_rate_pct", "win_rate_pct"), "40.5"
    )
    found["choices"] = [
        run | {"epochs": "5", "is_picked": "True"},
        run | {"epochs": "3", "is_picked": "False", "is_tied": "True"},
    ]
    path = tmp_path / "page.html"
    path.write_text(page(found), encoding="utf-8")
    browser.open(path)
    assert len(browser.all("#drift circle.point")) == 100 and not browser.complaints()
    assert browser.texts("#rank tbody td")[2:5] == ["51.2", "51.2 to 51.2", "51.2"]
    assert browser.texts("#containment tbody td") == ["form", *["12 (12 to 12)"] * 2, "40.9", "12 (12 to 12)"]
    assert browser.texts("#picks tbody tr") == ["m.t0540.5040.501 other"] and len(browser.all("#runs tbody tr")) == 2


def test_an_arm_of_low_rank_and_one_under_a_grammar_have_tags(browser, tmp_path):
    head = HEAD.replace("base: {rules: []}", "base: {rules: []}\n  sums: {of: ins, grammar: {regex: '[0-9]+'}}")
    text = study_text(0, [1], head) + "  low: {from: toy, num_examples: 5, recipe: {lora: {rank: 8}}}\n"
    browser.open(write_report(make(tmp_path, text, row=drawn_row)))
    assert set(browser.texts("#results tbody th")) == {"base", "sumsgrammar", "insreference", "lowLoRA 8"}
    ends = [t.rpartition(", ")[2] for t in browser.texts("[data-arm] title")]
    assert {"grammar", "LoRA 8"} < set(ends) and len(ends) == 4
