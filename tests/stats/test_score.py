"""launch/score.py: any file in AlpacaEval's format, ours or its own, without a study."""

import json
import shlex
import subprocess
import sys

import pytest

from .cells import rows as made
from .published import TABLE, models, needs_data, rows_of
from .score_files import ROOT, named, outputs, put

OUTPUTS = TABLE.parents[1] / "alpaca_eval_outputs_vicuna-13b.json"
REFERENCE = TABLE.parents[1] / "alpaca_eval_outputs_gpt4_1106_preview.json"


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
    code, said, _error = score(
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


def test_columns_may_be_cut_by_head():
    shell = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'launch/score.py'))} --columns | true"
    for _ in range(3):  # the reader is gone before anything is written, or is not
        done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_columns_are_told(score):
    code, said, _ = score("--columns")
    assert code == 0 and "  paired_low_pct             lower end" in said
