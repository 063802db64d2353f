"""Outputs find their instruction by its text; white space alone keeps nobody apart, and what is ambiguous is not
matched.
"""

import json
from pathlib import Path

import pytest

from winsweep.errors import BadData, Incomplete
from winsweep.judge import pairs
from winsweep.judge.matching import matched


def put(path: Path, rows: list[dict]) -> Path:
    path.write_text(json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(folder: Path, asked: list[str], references: list[str]) -> tuple[list[dict], int]:
    ours = [{"instruction": t, "output": "a", "generator": "c", "num_tokens": 1, "truncated": False} for t in asked]
    return pairs.read(
        put(folder / "asked.jsonl", [{"instruction": t} for t in asked]),
        put(folder / "ours.json", ours),
        put(folder / "theirs.json", [{"instruction": t, "output": f"to {t!r}"} for t in references]),
    )


def test_a_reference_whose_instructions_were_stripped_is_matched_and_counted(tmp_path):
    found, num = read(tmp_path, ["one ", "two\n\nlines", "three"], ["three", "two lines", "one"])
    assert [p["output_1"] for p in found] == ["to 'one'", "to 'two lines'", "to 'three'"] and num == 2
    assert [p["instruction"] for p in found] == ["one ", "two\n\nlines", "three"]


def test_other_words_are_not_matched(tmp_path):
    with pytest.raises(Incomplete, match=r"theirs.json: no output for 1 of 2 instructions, the first being 'two'"):
        read(tmp_path, ["one", "two"], ["one", "Two"])


def test_two_that_would_match_one_are_named(tmp_path):
    with pytest.raises(BadData, match=r"theirs.json: more than once: 'one '"):
        read(tmp_path, ["one "], ["one", " one"])


def test_one_that_might_be_two_is_left_alone():
    assert matched(["a b"], ["a  b", "a\nb"]) == {} and matched(["a b", "c "], ["a b", "a  b", "c"]) == {"c ": "c"}
