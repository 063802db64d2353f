"""launch/score.py on files that are not as AlpacaEval writes them today: ties, names, numbers as text, white space."""

import json

import pytest

from .cells import rows as made
from .published import TABLE, make_rows, models, needs_data, rows_of
from .score_files import named, outputs, put


def test_alpaca_eval_1_s_zeros_are_ties_and_it_says_so(score, tmp_path):
    rows, _ = make_rows([0.0, 1.0, 2.0] * 10, list(range(30)))
    told = json.loads(score(put(tmp_path / "a.json", named(rows)), "--json")[1])
    assert (
        told["columns"]["win_rate_pct"] == 50.0
        and "10 preferences of 0 are taken for ties, as AlpacaEval 1 wrote them" in told["notes"]
    )


def test_preferences_that_are_text_are_the_numbers_they_spell(score, tmp_path):
    rows, _ = made(0.4)
    wanted = json.loads(score(put(tmp_path / "a.json", rows), "--json")[1])
    told = json.loads(
        score(put(tmp_path / "b.json", [row | {"preference": f" {row['preference']!r}"} for row in rows]), "--json")[1]
    )
    assert (
        told["columns"] == wanted["columns"]
        and told["notes"][0] == "60 preferences are text and were read as the numbers that they spell"
    )


@pytest.mark.parametrize("text", ["", "A", "m", "nan", "1,5", "inf", "1_5", "None", "\x1b[2J"])
def test_preferences_that_spell_no_number_are_named(score, tmp_path, text):
    rows, _ = made(0.4)
    rows[7]["preference"] = text
    code, _, error = score(put(tmp_path / "a.json", rows))
    assert (
        code == 2
        and f"a.json row 7: preference is the text {text!r}; legal is a number of 1" in error
        and "judge" not in error.partition("row 7")[2][:80]
    )


def test_the_reference_s_name_may_be_called_generator(score, tmp_path):
    rows = named(made(0.4)[0], "c", "r")
    old = [{"generator" if name == "generator_1" else name: value for name, value in row.items()} for row in rows]
    told = [
        json.loads(score(put(tmp_path / f"{name}.json", of), "--json")[1]) for name, of in (("new", rows), ("old", old))
    ]
    assert told[0] | {"notes": []} == told[1] | {"notes": []} and told[1]["reference"] == "r"
    assert "the column generator is read as generator_1, the reference's name" in told[1]["notes"]


@needs_data
@pytest.mark.parametrize(
    "change",
    [
        str.strip,
        lambda text: f" {text}\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: " ".join(text.split()),
    ],
)
def test_alpaca_eval_s_instructions_are_known_whatever_their_white_space(score, tmp_path, change):
    rows = named(rows_of(next(m for m in models() if m.name == "vicuna-13b")))
    spaced = [row | {"instruction": change(row["instruction"])} for row in rows]
    num = sum(one["instruction"] != other["instruction"] for one, other in zip(rows, spaced))
    told = [
        json.loads(score(put(tmp_path / f"{name}.json", of), "--difficulty", TABLE, "--json")[1])
        for name, of in (("as", rows), ("spaced", spaced))
    ]
    assert told[0]["columns"] == told[1]["columns"] and told[0]["columns"]["lc_formula"] == "official" and num
    assert (
        f"{num} instructions differ from the set's in white space alone and were matched all the same"
        in told[1]["notes"]
    )
    code, _, error = score(
        put(tmp_path / "twice.json", [*rows, next(r for r, s in zip(spaced, rows) if r != s)]), "--difficulty", TABLE
    )
    assert code == 2 and "1 of AlpacaEval's instructions stand there twice, once with other white space" in error


def test_outputs_whose_instructions_differ_in_white_space_are_matched_and_it_is_said(score, tmp_path):
    texts = [f" question\n{i} " for i in range(30)]
    ours, theirs = (
        put(tmp_path / "a.json", outputs([t.strip() for t in texts], "mine")),
        put(tmp_path / "b.json", outputs(texts, "theirs")),
    )
    code, said, _error = score(ours, "--reference", theirs, "--judge", "reference_overlap")
    assert (
        code == 0
        and "note: 30 instructions differ from the reference's in white space alone and were matched all the same"
        in said
    )
    kept = next((tmp_path / "scores").glob("*/annotations.json"))
    second = put(
        tmp_path / "c.json",
        [row | {"instruction": row["instruction"].strip(), "preference": 1.25} for row in json.loads(kept.read_text())],
    )
    assert json.loads(score(kept, "--second", second, "--json")[1])["agreement"]["n"] == 30
    asked = put(tmp_path / "asked.json", [{"instruction": t.strip()} for t in texts])
    assert "30 instructions differ from the set's" in score(kept, "--instructions", asked)[1]
    twins = put(tmp_path / "twins.json", outputs([*texts, texts[3].strip()], "theirs"))
    assert (
        "no output for 'question 3'"
        not in score(ours, "--reference", twins, "--judge", "reference_overlap", "--allow-missing")[2]
    )


def test_one_name_for_both_sides_is_said(score, tmp_path):
    rows, _ = made(0.3)
    code, said, _ = score(put(tmp_path / "a.json", named(rows, "x", "x")))
    assert code == 0 and "note: both sides are called 'x': alpaca_eval would report 50 whatever the rows say" in said


def test_a_name_from_a_file_cannot_command_the_terminal(score, tmp_path):
    rows, _ = made(0.3)
    code, said, _ = score(put(tmp_path / "a.json", named(rows, "\x1b]0;owned\x07=1")))
    assert code == 0 and "\x1b" not in said and "\x07" not in said
