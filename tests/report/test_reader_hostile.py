"""Texts that others wrote do nothing in the reader: nothing runs, nothing is asked for."""

import json
import re
import unicodedata

import pytest

from tests.report.hostile_texts import AWAY, STRINGS
from tests.report.made_store import study_text
from tests.report.readable import make, report
from winsweep.report import page

JOINERS = "\u200c\u200d"
FILLERS = "\u115f\u1160\u3164\uffa0\u2028\u2029\ufdd0\ufffe\uffff"


def is_unseen(c: str) -> bool:
    return c not in f"\t\n{JOINERS}" and (unicodedata.category(c) in ("Cc", "Cf", "Cs") or c in FILLERS)


def said(text: str) -> dict:
    return {
        "message": {"content": text},
        "text": text,
        "logprobs": {"content": [{"top_logprobs": [{"token": text[:90], "logprob": -0.1}]}]},
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every text as an instruction, as two answers and as a judge's words."""
    whole = [
        text.encode("utf-8", "replace").decode() for text in STRINGS
    ]  # no file of instructions has half characters
    asked = [{"instruction": f"{n} {text}", "dataset": text[:200]} for n, text in enumerate(whole)]

    def answer(generation, n):
        text = STRINGS[n] if "ins" in generation.label else STRINGS[n - 1]
        return {"output": text, "truncated": n % 2 == 0}

    def judge(judged, own, theirs, n):
        return {
            "preference": 1 + (n % 5) / 4,
            "raw_completion": said(STRINGS[n]),
            "note": STRINGS[n],
            STRINGS[n][:80]: 1,
        }

    return make(tmp_path_factory.mktemp("hostile"), study_text(1, [1]), asked, answer, judge)


def opened(browser, path, cell="m.t0.s1"):
    browser.open(path)
    browser.run("location.hash = readerLink(arguments[0])", cell)
    browser.wait(lambda b: b.texts("#reader-counts"), "no rows")


FOREIGN = "iframe, img, object, embed, form:not([method=dialog])"
LEFT = f"return [window.pwned ?? null, document.querySelectorAll('{FOREIGN}').length]"


def harmless(browser, path):
    """Whether nothing ran, nothing but the report's own files was asked for, and the console has no word."""
    own = path.resolve().parent.as_uri()
    away = [url for url in browser.requests() if not url.startswith((own, "data:", "blob:"))]
    return browser.run(LEFT) == [None, 0] and not away and not browser.complaints()


def test_hostile_texts_run_nothing_ask_for_nothing_and_leave_no_error(made, browser):
    path = report(made)
    opened(browser, path)
    browser.run("READ.words = READ.more = READ.diff = true")
    for n in range(len(STRINGS)):
        browser.run("go({ row: arguments[0] })", n)
        assert browser.texts("#reader-row .place b") == [f"#{n}"]
        shown = "".join(browser.texts("#reader-row .text"))
        assert not [c for c in shown if is_unseen(c)], ascii(STRINGS[n][:60])
    assert harmless(browser, path)
    browser.press("h")
    for _ in range(len(STRINGS)):
        browser.press("k")
    assert harmless(browser, path)


def test_what_is_shown_is_the_text_with_the_unseen_marked(made, browser):
    opened(browser, report(made))
    for n, text in enumerate(STRINGS):
        if len(text) > 5000 or "\u0335" in text:  # shortened, and marks that are counted
            continue
        browser.run("go({ row: arguments[0] })", n)
        shown, marked = browser.run(
            """const node = document.querySelector('.answer.reference .text').cloneNode(true);
            const marked = [...node.querySelectorAll('.unseen')].map(e => e.textContent);
            node.querySelectorAll('.unseen').forEach(e => e.remove()); return [node.textContent, marked]"""
        )
        plain = text.replace("\r\n", "\n")
        assert shown == "".join(c for c in plain if not is_unseen(c))
        assert marked == [f"U+{ord(c):04X}" for c in plain if is_unseen(c)]


def test_names_of_every_kind_do_nothing_either(made, browser, tmp_path):
    path = report(made)
    found = {name: json.loads(match(path, name)) for name in ("contents", "texts")}
    for n, entry in enumerate(found["texts"]["cells"]):
        entry |= {
            "cell": STRINGS[n],
            "reference_name": STRINGS[n + 3],
            "judge": STRINGS[n + 5],
            "model": STRINGS[n + 7],
        }
    found["texts"]["missing"] = [{"cell": text, "why": text} for text in STRINGS[:60]]
    found["texts"]["study"] = found["contents"]["study"]["name"] = STRINGS[1]
    path.write_text(page.page(found["contents"], found["texts"]))
    opened(browser, path, STRINGS[0])
    for key in "djkh21hd":
        browser.press(key)
    assert browser.run("return votesFile().votes.map(v => v.cell)") == [STRINGS[0]] * 2
    assert harmless(browser, path)


def match(path, name: str) -> str:
    return re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', path.read_text(), re.DOTALL)[1]


def test_the_files_of_texts_run_nothing_when_opened_alone(made, browser):
    path = report(made)
    for file in path.with_suffix(".texts").iterdir():
        browser.open(file)
        assert browser.requests() == [file.as_uri()] and not browser.complaints()
        assert AWAY not in file.read_text() and "pwned" not in file.read_text()


def test_the_reader_works_over_http_too(made, browser, served):
    path = report(made)
    browser.open(f"{served(path.parent, '127.0.0.1')}/{path.name}#cell=m.t0.s1&row=3")
    browser.wait(lambda b: b.texts("#reader-counts"), "no rows")
    assert browser.texts("#reader-row .place b") == ["#3"] and not browser.complaints()


def test_a_page_elsewhere_gets_no_texts(made, browser, served):
    """Over http, a file of texts answers a page of its own origin alone."""
    path = report(made)
    file = next(path.with_suffix(".texts").iterdir())
    asking = """<body><script>window.got = []; addEventListener("message", (e) => got.push(e.data));
    const f = document.createElement("iframe"); f.src = "%s"; f.setAttribute("sandbox", "allow-scripts");
    f.onload = () => { f.contentWindow.postMessage("texts", "*"); setTimeout(() => { window.asked = true; }, 500); };
    document.body.append(f);</script>"""
    theirs, ours = served(path.parent, "127.0.0.1"), served(path.parent, "127.0.0.2")
    (path.parent / "asking.html").write_text(asking % f"{theirs}/{file.parent.name}/{file.name}")
    for host, num in ((ours, 0), (theirs, 1)):
        browser.open(f"{host}/asking.html")
        browser.wait(lambda b: b.run("return window.asked"))
        assert len(browser.run("return window.got")) == num
