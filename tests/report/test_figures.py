"""Figures for a paper: their figures are the table's, they stand within their width, and they are always the same."""

import copy
import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from winsweep import canvas
from winsweep.report import figures, looks, plot_matrix
from winsweep.report.figures import FORMATS, NAMES, WIDTHS, Plot

pytest.importorskip("matplotlib", reason="the extra `analysis` is not installed")
HOSTILE = "$\\frac{1}{0}$ <b>&amp;\u202e\x07 漢 " + "long " * 30


def arm(id: int, model: str, name: str, win: float, **more: Any) -> dict[str, Any]:
    low, high = max(0.0, win - 4), min(100.0, win + 4)
    return {
        "id": id, "model": model, "task": name, "name": name, "row": id, "cells": [id], "n": 80, "note": "",
        "headline_pct": win, "headline_low_pct": low, "headline_high_pct": high, "lc_win_rate_pct": win + 1.5,
        "win_rate_pct": win, "mean_chars": 40.0 + id, "mean_chars_reference": 40.0, "is_reference": False,
        "seeds": [{"seed": str(s), "headline_pct": win + s - 1.5} for s in (1, 2)], "published": None,
    } | more  # fmt: skip


def curve(model: str, task: str, seed: int) -> dict[str, Any]:
    names = {"cells": [], "model": model, "task": task, "name": f"{model}.{task}.s{seed}", "varying": "", "seed": seed}
    return names | {"step": [1.0, 2.0, 3.0], "loss": [2.5, 1.25, 0.05 * seed], "lr": [0.0, 3e-4, None]}


def contents(arms: list[dict[str, Any]]) -> dict[str, Any]:
    """What a report shows of these arms, in which each differs from each."""
    models = list(dict.fromkeys(a["model"] for a in arms))
    rows = []
    for of in ([a for a in arms if a["model"] == m] for m in models):
        pairs = [(a, "parity", 50.0) for a in of]
        pairs += [(a, b["name"], b["headline_pct"]) for i, a in enumerate(of) for b in of[i + 1 :]]
        rows += [
            {"model": a["model"], "arm": a["name"], "against": other, "p_holm": "0.01" if i % 2 else "0.4",
             "difference_pct": f"{a['headline_pct'] - value:.6f}"}
            for i, (a, other, value) in enumerate(pairs)
        ]  # fmt: skip
    rates = [
        {"arm": a["id"], "group": g, "n": 9, "win_rate_pct": 10.0 * g, "low_pct": 5.0 * g, "high_pct": 20.0 + 10 * g}
        for a in arms for g in range(3)
    ]  # fmt: skip
    return {
        "study": {"name": "s"}, "arms": arms, "reference": "“ins”", "judge": "j", "differences": rows,
        "control": {"where": "at equal length", "label": "win rate at equal length"},
        "state": {"is_whole": True, "cells": 1, "judged": 1},
        "categories": {"names": ["a", "b", "c"], "rates": rates, "left_out": 0},
        "lengths": {"ranges": [[1, 9], [10, 19], [20, 20]], "rates": rates},
        "curves": [curve(a["model"], a["task"], s) for a in arms for s in (1, 2)],
        "analyses": {"drift": [{"cell": "m.t.s1", "task": "t", "points": [[0.1, -0.2], [0.5, 0.4]]}]},
    }  # fmt: skip


FOUND = contents([arm(i, m, f"{m} arm {i}", 20.0 + 7 * i) for i, m in enumerate("aabb")])
ONE = contents([arm(0, "m", "only", 50.0)])
CASES = {
    "two models": FOUND,
    "one arm": ONE,
    "forty arms": contents([arm(i, "m", f"arm {i} lr={i}e-5", 30.0 + i) for i in range(40)]),
    "eight models": contents([arm(i, f"model {i % 8}", f"arm {i}", 40.0 + i / 10) for i in range(80)]),
    "hostile": contents([arm(i, f"{HOSTILE}{i % 2}", f"{HOSTILE}{i} {HOSTILE}", 40.0 + i) for i in range(5)]),
    "published": contents([arm(i, "m", f"n{i}", 44.0, published=[40.0 + i, 1.0]) for i in range(3)]),
    "all ties": contents([arm(0, "m", "t", 50.0, headline_low_pct=50.0, headline_high_pct=50.0, lc_win_rate_pct=50.0)]),
    "not known": contents([arm(0, "m", "t", 50.0, headline_low_pct=None, headline_high_pct=None, lc_win_rate_pct=None,
                               mean_chars=None, published=None)]),
}  # fmt: skip


def artists(plot: Plot, found: dict[str, Any], width: float = 6.75) -> dict[str, Any]:
    """What is drawn, by its name."""
    with canvas.drawn((width, plot.height(found, width)), lambda f: plot.draw(f, found)) as figure:
        return {a.get_gid(): a for a in figure.findobj(lambda a: a.get_gid() is not None)}


def named(found: dict[str, Any]) -> dict[str, Plot]:
    return {plot.name: plot for plot in figures.plots(found)}


def xs(artist: Any) -> list[float]:
    return list(artist.get_xdata())


@pytest.mark.parametrize("width", WIDTHS.values())
@pytest.mark.parametrize("case", ["two models", "published", "all ties"])
def test_the_forest_has_the_figures_of_the_table(case: str, width: float) -> None:
    found = CASES[case]
    drawn = artists(named(found)["forest"], found, width)
    for one in found["arms"]:
        own = {k.removeprefix(f"arm-{one['id']}-"): v for k, v in drawn.items() if k.startswith(f"arm-{one['id']}-")}
        assert xs(own["win-rate"]) == [one["headline_pct"]]
        assert xs(own["interval"]) == [one["headline_low_pct"], one["headline_high_pct"]]
        assert xs(own["seeds"]) == [s["headline_pct"] for s in one["seeds"]]
        has_other = abs(one["lc_win_rate_pct"] - one["headline_pct"]) > 0.05
        assert ("lc" in own) == has_other and (not has_other or xs(own["lc"]) == [one["lc_win_rate_pct"]])
        assert not one["published"] or xs(own["published"]) == [one["published"][0]]


def test_the_matrix_has_the_figures_of_the_differences() -> None:
    drawn = artists(named(FOUND)["differences"], FOUND)
    assert len(drawn) == len(FOUND["differences"])
    for row in FOUND["differences"]:
        value, sign = float(row["difference_pct"]), 1
        text = drawn.get(f"difference {row['arm']} | {row['against']}")
        if text is None:
            text, sign = drawn[f"difference {row['against']} | {row['arm']}"], -1
        assert float(text.get_text().replace("−", "-")) == pytest.approx(sign * value, abs=0.05)
        assert (text.get_weight() == "bold") == (float(row["p_holm"]) < plot_matrix.LEVEL)


def test_the_other_figures_have_theirs() -> None:
    plots = named(FOUND)
    assert plots.keys() == NAMES
    ratios = artists(plots["length_ratio"], FOUND)
    for one in FOUND["arms"]:
        assert xs(ratios[f"arm-{one['id']}"]) == [one["mean_chars"] / one["mean_chars_reference"]]
        assert list(ratios[f"arm-{one['id']}"].get_ydata()) == [one["headline_pct"]]
    for name in ("categories", "lengths"):
        drawn = artists(plots[name], FOUND)
        for rate in FOUND[name]["rates"]:
            gid = f"arm-{rate['arm']}-group-{rate['group']}"
            assert xs(drawn[f"{gid}-win-rate"]) == [rate["win_rate_pct"]]
            assert xs(drawn[f"{gid}-interval"]) == [rate["low_pct"], rate["high_pct"]]
    for figure, name in (("loss", "loss"), ("learning_rate", "lr")):
        drawn = artists(plots[figure], FOUND)
        for of in FOUND["curves"]:
            line = drawn[f"curve {of['name']}"]
            assert [None if y != y else y for y in line.get_ydata()] == of[name]
    assert list(artists(plots["drift"], FOUND)["drift m.t.s1"].get_xdata()) == [0.1, 0.5]


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS.values())
@pytest.mark.parametrize("case", CASES)
def test_everything_stands_within_the_figure(case: str, width: float) -> None:
    found = CASES[case]
    for plot in figures.plots(found):
        down = plot.height(found, width)
        assert 0 < down <= looks.TALLEST + 0.6, plot.name
        with canvas.drawn((width, down), lambda f, plot=plot: plot.draw(f, found)) as figure:
            figure.savefig("/dev/null", format="png")
            box = figure.get_tightbbox()
        assert box.x0 > -0.02 and box.x1 < width + 0.02, (plot.name, box)
        assert box.y0 > -0.02 and box.y1 < down + 0.02, (plot.name, box)


@pytest.mark.slow
def test_files_are_always_the_same_and_can_be_printed(tmp_path: Path) -> None:
    assert figures.write(ONE, tmp_path / "one") == [] and figures.write(ONE, tmp_path / "two") == []
    files = {p.name: p.read_bytes() for p in (tmp_path / "one").iterdir()}
    wanted = {f"{name}{suffix}.{kind}" for name in NAMES for suffix in WIDTHS for kind in FORMATS}
    assert files.keys() == wanted | {"table.tex", "table.md"}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "two").iterdir()}
    for name, data in files.items():
        if name.endswith(".pdf"):
            assert b"/FontFile2" in data and b"/Type3" not in data and b"CreationDate" not in data
        if name.endswith(".svg"):
            root = ET.fromstring(data)
            width = WIDTHS["-column" if "-column" in name else ""]
            assert root.get("width") == f"{width * 72:g}pt" and b"<dc:date>" not in data
            assert set(re.findall(rb"(?:href|src)=.(.)", data)) <= {b"#"}  # nothing is loaded from elsewhere


@pytest.mark.slow
def test_what_there_is_no_more_is_taken_away_and_what_is_the_same_stays(tmp_path: Path) -> None:
    figures.write(ONE, tmp_path / "f")
    (tmp_path / "f/mine.svg").write_text("mine")
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "f").iterdir()}
    less = copy.deepcopy(ONE) | {"curves": [], "analyses": {"drift": []}}
    figures.write(less, tmp_path / "f")
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "f").iterdir()}
    assert not [name for name in after if name.startswith(("loss", "learning_rate", "drift"))] and "mine.svg" in after
    assert all(before[name] == when for name, when in after.items())


def test_without_matplotlib_the_tables_are_made_and_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    (note,) = figures.write(FOUND, tmp_path / "f")
    assert "not installed; type pip install -e '.[analysis]'" in note
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == ["table.md", "table.tex"]


def test_a_study_of_which_nothing_is_known_has_a_table_without_rows(tmp_path: Path) -> None:
    empty = contents([]) | {"analyses": {"drift": []}, "curves": []}
    empty["categories"], empty["lengths"] = {"names": [], "rates": [], "left_out": 0}, {"ranges": [], "rates": []}
    assert figures.plots(empty) == [] and figures.write(json.loads(json.dumps(empty)), tmp_path / "f") == []


def test_a_study_whose_reference_alone_is_judged_has_no_figures_of_groups(tmp_path: Path) -> None:
    alone = contents([arm(0, "m", "ins", 50.0, is_reference=True)])
    assert alone["categories"]["rates"] and alone["lengths"]["rates"]
    assert figures.write(alone, tmp_path) == []
    assert not list(tmp_path.glob("categories*")) and not list(tmp_path.glob("lengths*"))
