"""Outputs, annotations and the table of difficulty, as score.py takes them, from an enemy."""

import csv
import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.fuzz.held import folder, fuzz, held, shown  # noqa: F401 - a fixture
from tests.fuzz.mutation import broken, mutated
from winsweep.graph import load

OUTPUTS = [{"instruction": f"q{i}", "output": f"some answer {i}", "generator": "m", "dataset": "d"} for i in range(4)]
ANNOTATED = [
    {
        "instruction": f"q{i}",
        "output_1": f"one {i}",
        "output_2": f"another answer {i}" * i,
        "generator_1": "r",
        "generator_2": "m",
        "annotator": "a",
        "preference": 1 + i / 4,
        "preferences_by_order": [1 + i / 4, 1 + i / 4],
        "truncated": False,
    }
    for i in range(4)
]
BY_JURY = [row | {"preferences_by_judge": [row["preference"]] * 2} for row in ANNOTATED]
MODES = [[], ["--mode", "paired"], ["--allow-missing"], ["--json"], ["--join", "position"], ["--mode", "official"]]


@pytest.fixture
def score(folder):  # noqa: F811
    module = load(ROOT / "launch/score.py", "tests.launched")

    def call(words: list[str], *names: str) -> None:
        def told() -> None:
            shown(module.told(module.parser().parse_args(words)))

        held(told, *names)

    return call


def written(documents: list) -> st.SearchStrategy[bytes]:
    """Files of rows, mutated as lists or as bytes."""
    whole = mutated(documents).map(lambda rows: json.dumps(rows, skipkeys=True).encode())
    return whole | whole | st.sampled_from(documents).flatmap(lambda rows: broken(json.dumps(rows).encode()))


def test_annotations(folder, score):  # noqa: F811
    (folder / "second.json").write_text(json.dumps(ANNOTATED))

    def check(case: tuple[bytes, list[str], bool]) -> None:
        (folder / "a.json").write_bytes(case[0])
        second = ["--second", "second.json"] if case[2] else []
        score(["a.json", *case[1], *second], "a.json", "row", "q", "--", "second.json")

    fuzz("annotations", st.tuples(written([ANNOTATED, BY_JURY]), st.sampled_from(MODES), st.booleans()), check, 120)


def test_outputs(folder, score):  # noqa: F811
    def check(case: tuple[bytes, bytes, list[str]]) -> None:
        (folder / "o.json").write_bytes(case[0])
        (folder / "r.json").write_bytes(case[1])
        words = ["o.json", "--reference", "r.json", "--judge", "reference_overlap", *case[2]]
        score(words, "o.json", "r.json", "row", "q", "--")

    whole = st.just(json.dumps(OUTPUTS).encode())
    cases = st.tuples(written([OUTPUTS]), whole, st.sampled_from(MODES)) | st.tuples(
        whole, written([OUTPUTS]), st.sampled_from(MODES)
    )
    fuzz("outputs", cases, check, 120)


def test_a_table_of_difficulty(folder):  # noqa: F811
    from winsweep.stats.official import read_table

    content = table()

    def check(content: bytes) -> None:
        (folder / "df.csv").write_bytes(content)
        held(lambda: read_table(Path("df.csv")), "df.csv", "instruction_difficulty.csv")

    (folder / "df.csv").write_bytes(content)
    read_table(Path("df.csv"))
    fuzz("tables of difficulty", broken(content), check, 60)


def table() -> bytes:
    """A table of AlpacaEval's form with numbers of no meaning."""
    drawn, text = random.Random(0), io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["index", "std_delta_len", "instruction_difficulty", "preference"])
    for _ in range(2):
        writer.writerows([i, drawn.gauss(0, 1), drawn.gauss(0, 1), drawn.random()] for i in range(805))
    return text.getvalue().encode()
