"""A study in which no win rate can be corrected for length, and a model whose reference answers nothing."""

import random
import re

import pytest

from tests.local.conftest import ROOT
from tests.report.made_store import HEAD, Row, make, study_text
from winsweep.artifact import Artifact
from winsweep.report.contents import contents
from winsweep.report.files import write_report

TWO = HEAD.replace("models:\n", "models:\n  z: {pretrain: {num_tokens: 0, width: 24, layers: 1, heads: 2, mlp: 32}}\n")


def row(judged: Artifact, n: int) -> Row:
    """Twelve losses in 16, where arms are not their own reference; z's reference answers nothing."""
    theirs = "" if judged.label.startswith("z.") else "a" * 40
    if judged.inputs["candidate"] == judged.inputs.get("reference"):
        return {"output_2": theirs, "output_1": theirs, "preference": 1.5}
    return {"output_2": "b" * (30 + n), "output_1": theirs, "preference": 1.0 if n < 12 else 1.5}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("page"), study_text(1, (1, 2), TWO), num=16, row=row)


def test_nothing_is_said_to_be_corrected(study):
    control = contents(study)["control"]
    assert (control["label"], control["where"], control["changes"]) == ("win rate", "", [])


def test_the_figure_of_length_names_the_arms_that_it_lacks(study, browser):
    browser.open(write_report(study))
    [told] = [t for t in browser.texts("p.caption") if "how long the answers are" in t]
    assert told.startswith("Win rate, % against") and "; these are such." in told
    assert "Not shown, as the reference's answers are empty or there is no win rate: base (z), ins (z), t0 (z)" in told


def test_page_and_terminal_round_alike(study, browser, tmp_path):
    """So that a headline of 40.6 % stands beside no figure of 40.7 %."""
    script = (ROOT / "src/winsweep/report/web/dom.js").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8><script>{script}</script>")
    browser.open(tmp_path / "page.html")
    rng = random.Random(0)
    numbers = [81.25, 81.75, 31.25, -31.25, 0.05, 0.15, 0.25, 12.5, 13.5, 2.675, 0.125, -0.04, 100.0, 0.0]
    numbers += [rng.choice((rng.uniform(-99, 99), rng.randint(-999, 999) / 16)) for _ in range(400)]
    for decimals in (0, 1, 2, 3):
        shown = browser.run(f"return arguments[0].map((v) => fixed(v, {decimals}))", numbers)
        told = [re.sub(r"^-(0\.?0*)$", r"\1", f"{v:.{decimals}f}").replace("-", "−") for v in numbers]
        assert shown == told
