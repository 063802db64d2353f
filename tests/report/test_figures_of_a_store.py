"""The figures that lie beside a report are those of its table, whatever the store holds."""

from pathlib import Path

import pytest

from tests.report.made_store import make, study_text
from tests.report.test_figures import artists, named, xs
from winsweep.report import figures
from winsweep.report.contents import contents
from winsweep.report.table import read_table

pytestmark = pytest.mark.slow


def test_figures_and_tables_beside_a_page_are_those_of_the_table(tmp_path: Path) -> None:
    made = make(tmp_path, study_text(2, (1, 2)), num=30)
    found, rows = contents(made), read_table(made).rows
    drawn = artists(named(found)["forest"], found)
    assert found["arms"]
    for arm in found["arms"]:
        row = rows[arm["row"]]
        assert xs(drawn[f"arm-{arm['id']}-win-rate"]) == [float(row["paired_win_rate_pct"])]
        interval = [float(row["paired_low_pct"]), float(row["paired_high_pct"])]
        assert xs(drawn[f"arm-{arm['id']}-interval"]) == interval
    page = made.store.root / "results/made.html"
    assert figures.beside(made, page) == f"figures: {made.store.root}/results/made.figures"
    folder = page.with_suffix(".figures")
    table = (folder / "table.md").read_text()
    for arm in found["arms"]:
        assert f"| `{arm['name']}` | {arm['paired_win_rate_pct']:.1f}" in table
    assert (folder / "forest.pdf").read_bytes().startswith(b"%PDF") and (folder / "loss.svg").exists()


def test_a_store_in_which_nothing_is_judged_has_an_empty_table(tmp_path: Path) -> None:
    made = make(tmp_path, study_text(1, (1,)), num=20)
    for path in made.store.root.glob("judge/*"):
        path.rename(made.store.root / f".{path.name}")
    figures.beside(made, tmp_path / "deep/page.html")
    assert (tmp_path / "deep/page.figures/table.tex").exists()
    assert not (tmp_path / "deep/page.figures/forest.svg").exists()
