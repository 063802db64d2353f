"""The paper's study: its size as it stands, and all of its graph with tiny models in one submission."""

import re
import subprocess
import sys

import pytest

from tests.local.conftest import ROOT
from tests.local.paper import check, overlay


def sweep(study, store, *words: str) -> str:
    command = [sys.executable, str(ROOT / "launch/sweep.py"), str(study), "--store", str(store), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_paper_is_180_finetunes_and_100_head_to_heads(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "cache"))
    said = sweep(ROOT / "launch/sweeps/paper.yaml", tmp_path / "runs", "--dry-run", "--verbose")
    assert "120 cells; missing: 180 finetunes, 180 models, 186 sets of outputs, 210 comparisons" in said
    assert (
        f"{100 * 805:,} judgements and those of 90 comparisons whose instructions cannot be counted yet; about " in said
    )
    assert re.search(
        r"M tokens of prompts; about \$8\d\d\.\d\d of gpt-4-1106-preview by the prices of 20\d\d-\d\d-\d\d; "
        r"\$4\d\d\.\d\d with batch: true in limits; about \d+ "
        r"min",
        said,
    )
    assert (
        "hours of one H100: " in said
        and "for 180 finetunes (917 M tokens)" in said
        and "    assumed: the middle of its grid where choose: decides" in said
    )
    assert re.search(r"not there yet:\n(.*\n)*.*lima_rephrased\.jsonl", said) and "model allenai/OLMo-7B-hf" in said
    assert re.search(r"problem +judge alpaca: model .*shut down on 2026-03-26; ", said)


@pytest.mark.parametrize(
    ("name", "finetunes", "cells"),
    [
        ("response_tuning", 40, 30),
        ("single_task", 120, 70),
        ("rules", 10, 30),
        ("tags_ab", 20, 10),
        ("no_rephrase", 20, 10),
        ("lora", 30, 30),
    ],
)
def test_parts_of_the_paper_are_studies_of_a_few_lines(name, finetunes, cells, tmp_path):
    said = sweep(ROOT / f"launch/sweeps/{name}.yaml", tmp_path / "runs", "--dry-run")
    assert f"{cells} cells; missing: {finetunes} finetunes, " in said
    assert len((ROOT / f"launch/sweeps/{name}.yaml").read_text().splitlines()) < (24 if name == "lora" else 8)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_paper_with_tiny_models_in_one_submission(tmp_path, data):
    study = overlay(tmp_path, data)
    assert "48 of 48 cells" in sweep(study, tmp_path / "runs")
    check(tmp_path)
    assert "0 jobs run; 48 of 48 cells" in sweep(study, tmp_path / "runs")
