"""The browser of these tests shows a page, and tells of errors and requests."""

PAGE = """<!doctype html><meta charset=utf-8><title>t</title><p id=p>before</p>
<script>document.getElementById("p").textContent = "after"</script>"""


def test_a_page_runs_its_script_and_asks_for_nothing_else(browser, tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    browser.open(tmp_path / "page.html", width=400)
    assert browser.texts("#p") == ["after"] and browser.run("return innerWidth") == 400
    assert browser.requests() == [(tmp_path / "page.html").as_uri()] and not browser.complaints()


def test_errors_and_requests_are_seen(browser, tmp_path):
    worse = '<img src="http://127.0.0.1:9/x.png"><script>console.error("told"); missing()</script>'
    (tmp_path / "page.html").write_text(PAGE + worse)
    browser.open(tmp_path / "page.html")
    told = browser.wait(lambda b: [c for c in b.complaints() if "missing is not defined" in c])
    assert told and "http://127.0.0.1:9/x.png" in browser.requests()
