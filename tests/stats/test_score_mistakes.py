"""What launch/score.py says of a mistake: in its words, in a file, in a row."""

import pytest

from .published import TABLE, instructions, make_rows, models, needs_data, rows_of
from .score_files import named, outputs, put


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "FILE is missing"),
        (["gone.json"], "gone.json: no such file"),
        (["empty"], "empty: a directory without annotations.json"),
        (["none.json"], "none.json: no rows"),
        (["text.json"], "text.json:1: not JSON"),
        (["latin.json"], "latin.json:1: not UTF-8"),
        (
            ["outputs.json"],
            (
                "these are outputs, not annotations; legal with --reference FILE and --judge NAME; add "
                "--reference FILE --judge NAME"
            ),
        ),
        (["outputs.json", "--reference", "outputs.json"], "add --judge NAME"),
        (
            ["outputs.json", "--reference", "short.json", "--judge", "reference_overlap"],
            "short.json: no output for 'question 0'",
        ),
        (
            ["short.json", "--reference", "outputs.json", "--judge", "reference_overlap"],
            "short.json: no output for 'question 0'",
        ),
        (
            ["twice.json", "--reference", "outputs.json", "--judge", "reference_overlap"],
            "twice.json: more than once: 'question 1'",
        ),
        (
            ["outputs.json", "--reference", "outputs.json", "--judge", "reference_overlp"],
            "did you mean reference_overlap",
        ),
        (["outputs.json", "--reference", "outputs.json", "--judge", "{margin"], "--judge:1: not YAML: "),
        (["rows.json", "--mode", "official"], "--mode official: its table of difficulty is not at hand"),
        (["rows.json", "--mode", "official", "--c", "-1"], "--c: found -1.0; legal is a number above 0"),
        (["rows.json", "--c", "1"], "--c: the paired model has no penalty"),
        (["mixed.json"], "rows of 2 candidates ('c', 'd')"),
    ],
)
def test_a_mistake_is_answered_with_what_to_type(score, tmp_path, words, told):
    texts = [f"question {i}" for i in range(5)]
    rows = named(make_rows([1, 2, 1.5], [1, 2, 3])[0])
    for name, found in (
        ("outputs", outputs(texts, "a")),
        ("short", outputs(texts[1:], "b")),
        ("twice", outputs([*texts, texts[1]], "b")),
        ("none", []),
        ("rows", rows),
        ("mixed", [*rows[:2], rows[2] | {"generator_2": "d"}]),
    ):
        put(tmp_path / f"{name}.json", found)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "latin.json").write_bytes('[{"instruction": "é"}]'.encode("latin-1"))
    code, _, error = score(*words)
    assert code == 2 and told in error and not list(tmp_path.glob("scores/*/annotations.json"))


@needs_data
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda rows: rows[:400] + rows[401:],
            "no judgement for AlpacaEval's instructions #400 (1 of 805, counted from 0)",
        ),
        (lambda rows: [*rows, rows[7]], "rows: found more than once"),
        (
            lambda rows: [*rows, rows[7] | {"instruction": "one more"}],
            "rows: not in the instruction set: 'one more' (1 in all)",
        ),
        (lambda rows: [rows[0] | {"preference": -1}, *rows[1:]], "1 of 805 preferences are none (#0"),
        (lambda rows: [rows[0] | {"preference": float("nan")}, *rows[1:]], "nan); legal is 1 to 2"),
        (lambda rows: [rows[0] | {"preference": 3.0}, *rows[1:]], "3.0); legal is 1 to 2"),
        (lambda rows: [*rows[:9], {"instruction": "x", "output_1": "y"}, *rows[9:]], "row 9: output_2 is None"),
    ],
)
def test_a_bad_row_of_a_file_is_named(score, tmp_path, change, told):
    rows = named(rows_of(next(m for m in models() if m.name == "vicuna-13b")))
    code, said, error = score(
        put(tmp_path / "a.json", [dict(row) | {"generator_1": "r", "generator_2": "c"} for row in change(rows)]),
        "--difficulty",
        TABLE,
    )
    assert code == 2 and told in error and not said


@needs_data
def test_foreign_instructions_have_no_official_number(score, tmp_path):
    code, _, error = score(
        put(tmp_path / "a.json", named(make_rows([1, 2] * 8, list(range(16)))[0])),
        "--mode",
        "official",
        "--difficulty",
        TABLE,
    )
    assert code == 2 and "16 instructions are not AlpacaEval's" in error
    rows = [
        row | {"instruction": text} for row, text in zip(make_rows([1, 2] * 200, list(range(400)))[0], instructions())
    ]
    code, said, _ = score(put(tmp_path / "b.json", named(rows)), "--mode", "paired", "--difficulty", TABLE)
    assert code == 0 and "n                          400" in said
