"""The numbers of an axis differ from each other, however narrow its range is."""

from tests.local.conftest import ROOT


def test_neighbouring_ticks_never_read_alike(browser, tmp_path):
    script = (ROOT / "src/winsweep/report/web/scale.js").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8><script>{script}</script>")
    browser.open(tmp_path / "page.html")
    shown = browser.run("return [[48.9, 51.1], [0, 100], [-1.2, 1.2]].map(([a, b]) => ticks(a, b, 6).map(tickText))")
    assert shown[0] == ["49", "49.5", "50", "50.5", "51"] and shown[1][:2] == ["0", "20"] and "−1" in shown[2]
    assert all(len(set(of)) == len(of) for of in shown)
