"""launch/score.py: any file in AlpacaEval's format, ours or its own, without a study."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from winsweep.graph import load

from .cells import rows as made
from .published import TABLE, instructions, make_rows, models, needs_data, rows_of

ROOT = Path(__file__).parents[2]
OUTPUTS = TABLE.parents[1] / "alpaca_eval_outputs_vicuna-13b.json"
REFERENCE = TABLE.parents[1] / "alpaca_eval_outputs_gpt4_1106_preview.json"


@pytest.fixture
def score(monkeypatch, capsys, tmp_path):
    """The command in this process: its words to exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WINSWEEP_DATA", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["score.py", *map(str, words)])
        code = load(ROOT / "launch/score.py", "launch").main()
        return code, *capsys.readouterr()

    return run


def put(path: Path, rows: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows))
    return path


def outputs(texts: list[str], name: str) -> list[dict]:
    return [{"instruction": t, "output": f"{name} says {t}", "generator": name} for t in texts]


def named(rows: list[dict], candidate: str = "c", reference: str = "gpt4_1106_preview") -> list[dict]:
    return [
        row | {"generator_1": reference, "generator_2": candidate, "annotator": "weighted_alpaca_eval_gpt4_turbo"}
        for row in rows
    ]


@needs_data
@pytest.mark.parametrize("name", ["vicuna-13b", "claude-2", "gpt35_turbo_instruct"])
def test_a_published_file_gives_its_published_number(score, tmp_path, name):
    model = next(m for m in models() if m.name == name)
    rows = named(rows_of(model))
    lacking = [] if name == "vicuna-13b" else ["--allow-missing"]
    position = ["--join", "position"] if name == "gpt35_turbo_instruct" else []
    file = put(tmp_path / "annotations.json", rows if position else rows[::-1])
    code, said, _ = score(
        file, "--mode", "official", "--c", model.c, "--difficulty", TABLE, "--json", *lacking, *position
    )
    told = json.loads(said)
    assert (
        code == 0
        and told["columns"]["lc_win_rate_pct"] == pytest.approx(model.lc, abs=1e-5)
        and told["columns"]["lc_c"] == model.c
    )
    if lacking:
        code, _, error = score(file, "--mode", "official", "--difficulty", TABLE)
        assert code == 2 and ("#409" in error or "preferences are none" in error)
    if position:
        apart = (
            json.loads(score(file, "--c", model.c, "--difficulty", TABLE, "--json", *lacking)[1])["columns"][
                "lc_win_rate_pct"
            ]
            - model.lc
        )
        assert apart == pytest.approx(-2.76, abs=0.01)


@pytest.mark.slow
@needs_data
def test_real_outputs_are_judged_once_and_reported_whole(tmp_path):
    command = [
        sys.executable,
        ROOT / "launch/score.py",
        OUTPUTS,
        "--reference",
        REFERENCE,
        "--judge",
        "reference_overlap",
        "--difficulty",
        TABLE,
    ]
    first, again = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300) for _ in range(2)
    )
    assert first.returncode == again.returncode == 0, first.stderr
    assert (
        "805 of 805 pairs to judge" in first.stderr
        and "0 of 805 pairs to judge" in again.stderr
        and first.stdout == again.stdout
    )
    figures = dict(line.split(maxsplit=1) for line in first.stdout.splitlines() if line.startswith("  "))
    with open(OUTPUTS, encoding="utf-8") as f:
        mean = sum(len(row["output"]) for row in json.load(f)) / 805
    assert (
        figures["n"] == "805"
        and figures["lc_formula"] == "official"
        and float(figures["mean_chars"]) == pytest.approx(mean, abs=1e-3)
    )
    assert first.stdout.startswith("vicuna-13b against gpt4_1106_preview, official\n")


def test_outputs_of_ones_own_are_compared_head_to_head(score, tmp_path):
    texts = [f"question {i}" for i in range(30)]
    ours, theirs = (
        put(tmp_path / "m/outputs.json", outputs(texts, "mine")),
        put(tmp_path / "r/model_outputs.json", outputs(texts[::-1], "theirs")),
    )
    code, said, error = score(
        ours.parent, "--reference", theirs.parent, "--judge", "{from: reference_overlap, margin: 0.1}", "--json"
    )
    told = json.loads(said)
    assert code == 0 and (told["candidate"], told["reference"], told["mode"], told["columns"]["n"]) == (
        "mine",
        "theirs",
        "paired",
        30,
    )
    kept = next((tmp_path / "scores").glob("reference_overlap-*/annotations.json"))
    assert (
        json.loads(score(kept, "--json")[1])["columns"] == told["columns"]
        and json.loads(score(kept.parent, "--json")[1])["columns"] == told["columns"]
    )


def test_what_it_keeps_is_alpaca_eval_s_format(score, tmp_path):
    texts = [f"question {i}" for i in range(12)]
    score(
        put(tmp_path / "a.json", outputs(texts, "mine")),
        "--reference",
        put(tmp_path / "b.json", outputs(texts, "theirs")),
        "--judge",
        "reference_overlap",
    )
    rows = json.loads(next((tmp_path / "scores").glob("*/annotations.json")).read_text())
    assert {
        "instruction",
        "output_1",
        "generator_1",
        "output_2",
        "generator_2",
        "annotator",
        "preference",
        "dataset",
    } <= rows[0].keys()
    from winsweep.judge.alpaca import _import

    theirs = _import("alpaca_eval.metrics.winrate").get_winrate(rows)
    assert theirs["win_rate"] == pytest.approx(
        json.loads(score(next((tmp_path / "scores").glob("*")), "--json")[1])["columns"]["win_rate_pct"]
    )


def test_two_judges_of_a_file_are_compared(score, tmp_path):
    rows, _ = made(0.4)
    other = [row | {"preference": 1.5, "annotator": "k"} for row in rows]
    told = json.loads(score(put(tmp_path / "a.json", rows), "--second", put(tmp_path / "b.json", other), "--json")[1])
    assert (
        told["agreement"]["n"] == 60
        and told["agreement"]["correlation"] is None
        and told["agreement"]["share_same_verdict"] < 0.1
    )
    assert "share_same_verdict" in score(tmp_path / "a.json", "--second", tmp_path / "b.json")[1]


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
    code, said, error = score(ours, "--reference", theirs, "--judge", "reference_overlap")
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


def test_columns_may_be_cut_by_head():
    shell = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'launch/score.py'))} --columns | true"
    for _ in range(3):  # the reader is gone before anything is written, or is not
        done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


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
            "these are outputs, not annotations; legal with --reference FILE and --judge NAME; add --reference FILE "
            "--judge NAME",
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
        (["outputs.json", "--reference", "outputs.json", "--judge", "{margin"], "is not YAML"),
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


def test_the_columns_are_told(score):
    code, said, _ = score("--columns")
    assert code == 0 and "  paired_low_pct             lower end" in said
