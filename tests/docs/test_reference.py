"""Every key, column, command and target is on its page of the reference, and each says what it means."""

import csv
import dataclasses
import importlib
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.conftest import ROOT
from winsweep import field_docs, layout, strict
from winsweep.graph import discover
from winsweep.judge.limits import Limits
from winsweep.judge.prices import Price, PriceFile
from winsweep.placement import ClusterFile, Placement
from winsweep.stats import columns
from winsweep.study.cell import Decoding, HubModel
from winsweep.study.recipe import Recipe
from winsweep.study.sections import StudyFile
from winsweep.study.study import SECTIONS

sys.path.insert(0, str(ROOT / "docs/reference"))
generate, tables, commands = (importlib.import_module(name) for name in ("generate", "tables", "commands"))

PAGES = generate.pages()
READERS, JUDGES = discover(layout.TASKS, "winsweep.tasks"), discover(layout.JUDGES, "winsweep.judges")
LAUNCH = discover(layout.ROOT / "launch", "winsweep.launch")
IN_STUDY = [part for _, kind in tables.sections(StudyFile) for part in (kind, *getattr(kind, "also", ()))]
TYPED = [
    *((kind, "study") for kind in dict.fromkeys(IN_STUDY)),
    *((module.Options, "study") for module in READERS.values()),
    *((module.Options, "judges") for module in JUDGES.values()),
    *((kind, "judges") for kind in (Limits, HubModel, Price, PriceFile)),
    *((kind, "cluster") for kind in (ClusterFile, Placement)),
]


@pytest.mark.parametrize(("kind", "page"), TYPED, ids=lambda x: getattr(x, "__qualname__", x))
def test_every_key_says_what_it_means_and_is_on_its_page(kind: type, page: str) -> None:
    docs = field_docs.described(kind)
    for field, key in zip((f for f in dataclasses.fields(kind) if f.init), strict.keys(kind), strict=True):
        text = docs[field.name].text
        assert text, f"{kind.__module__}.{kind.__qualname__}.{field.name}: add a comment `#: …` beside it"
        ends = f"| {tables.cell(tables.sentence(text))} |"
        lines = PAGES[f"{page}.md"].splitlines()
        assert any(line.startswith(f"| `{key}` | ") and line.endswith(ends) for line in lines), key


def test_what_is_walked_is_all_that_the_reader_of_a_study_takes() -> None:
    assert strict.keys(StudyFile) == SECTIONS and {Recipe, Decoding} <= set(IN_STUDY)
    assert len({tables.anchor(kind) for kind, _ in TYPED}) == len(TYPED)


@pytest.mark.parametrize("name", LAUNCH)
def test_every_argument_of_a_command_says_what_it_means_and_is_on_the_page(name: str) -> None:
    for action in commands.actions(LAUNCH[name].parser()):
        shown = action.option_strings[0] if action.option_strings else (action.metavar or action.dest.upper())
        assert action.help, f"launch/{name}.py: {shown} has no help"
        assert f"`{shown}`" in section(PAGES["commands.md"], f"## `{name}.py`")


def section(page: str, title: str) -> str:
    return page.partition(f"{title}\n")[2].partition("\n## ")[0]


def test_every_target_of_make_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    known, public = commands.targets(makefile), commands.public(makefile)
    assert sorted(known) == sorted(public) and all(known.values()), [name for name in public if not known.get(name)]


def test_every_column_is_on_the_page() -> None:
    for name in [*columns.header(()), *columns.DIFFERENCES]:
        assert f"\n| `{name}` | " in PAGES["columns.md"]


def test_defaults_and_legal_values_are_those_of_the_code() -> None:
    study = PAGES["study.md"]
    assert "| `lr` | number, at least 0 |  | `1.0e-5` | Peak learning rate. |" in study
    assert "| `across_epochs`; as_written: `within_epochs` |" in study  # of the presets, not of the class
    assert "| `draws` | whole number, at least 1 |  | `5` |" in study
    assert "| `name` | text |  | needed |" in study
    assert "one of `none`, `cheap`, `full`, `auto` |  | `none` |" in PAGES["cluster.md"]


@dataclasses.dataclass
class Said:
    """Fields whose comments stand in all the places where they may."""

    #: above, over
    #: two lines [tokens]
    above: int = 1
    beside: int = 2  #: beside it
    # no description
    #: of a call
    call: int = dataclasses.field(
        default=3,  #: and in it
    )
    text: str = "#: in a text"
    indices: str = ""  #: such as `a[0]`


def test_descriptions_are_read_from_comments_and_from_nothing_else() -> None:
    found = field_docs.described(Said)
    assert found["above"] == ("above, over two lines", "tokens") and found["beside"] == ("beside it", "")
    assert found["call"].text == "of a call and in it"
    assert found["text"].text == "" and found["indices"] == ("such as `a[0]`", "")


@pytest.mark.slow
def test_the_figure_shows_each_arm_of_each_model(tmp_path) -> None:
    rows = [("a", "base", 0, 0, 2), ("a", "rules", 48, 47, 50), ("b", "base", 1, 0, 3), ("b", "rules", 43, 39, 47)]
    with open(tmp_path / "demo.csv", "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(("model", "task", "seed", "paired_win_rate_pct", "paired_low_pct", "paired_high_pct"))
        out.writerows((model, arm, "mean", *values) for model, arm, *values in rows)
    made = [tmp_path / name for name in ("1.svg", "2.svg")]
    for path in made:
        subprocess.run(
            [sys.executable, ROOT / "docs/figures/draw.py", tmp_path / "demo.csv", "--out", path], check=True
        )
    assert made[0].read_bytes() == made[1].read_bytes() and ET.parse(made[0]).getroot().tag.endswith("svg")
    text = made[0].read_text()
    assert all(f"<!-- {word} -->" in text for word in ("base", "rules", "a", "b")) and text.count("LineCollection") == 2
