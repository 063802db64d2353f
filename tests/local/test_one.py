"""make train_resp and make eval on the toy model, from a line that a person types to the table; what they refuse; no
value runs as code.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
# the virtual environment of these tests stands for the Makefile's own, which is not made anew
MAKE = ["make", "-s", "-o", ".venv/installed", f"BIN={Path(sys.executable).parent}"]
# where a make runs these tests, its own words are not passed on
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}


def make(store: Path, *words: str, code: int = 0) -> str:
    command = [*MAKE, *words, f"STORE={store}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_model_is_trained_and_then_evaluated(tmp_path):
    said = make(tmp_path, "train_resp", "MODEL=toy", "EPOCHS=1")
    study = tmp_path / "studies" / "resp_tuned_toy.yaml"
    assert f"study: {study} (new)" in said and "5 jobs run; 1 of 1 models made" in said
    assert {p.parent.name for p in tmp_path.glob("[a-z]*/*-????????????")} == {
        "pretrain",
        "prepare",
        "check",
        "finetune",
        "collect",
    }
    said = make(tmp_path, "eval", "MODEL=resp_tuned_toy")
    assert f"study: {study}\n" in said and "9 jobs run; 1 of 1 cells" in said
    rows = list(csv.DictReader((tmp_path / "results" / "resp_tuned_toy.csv").read_text().splitlines()))
    assert [(r["model"], r["task"], r["seed"], r["n"], r["judge"]) for r in rows] == [
        ("toy", "resp_tuned", "1", "84", "reference_overlap")
    ]
    assert 0 < float(rows[0]["win_rate_pct"]) < 60
    assert "0 jobs run; 1 of 1 models made" in make(tmp_path, "train_resp", "MODEL=toy", "EPOCHS=1")
    assert (
        "replaces what it said" in make(tmp_path, "train_resp", "MODEL=toy", "EPOCHS=2", "DRY_RUN=1")
        and "epochs: 2" in study.read_text()
    )


def test_a_dry_run_on_a_cluster_needs_no_model(tmp_path):
    said = make(tmp_path, "train", "MODEL=olmo-7b", "DATA=gsm", "DRY_RUN=1")
    assert "gsm_tuned_olmo-7b.yaml (new)" in said and "1 cell; missing: 1 finetune, 1 model" in said
    said = make(tmp_path, "train", "MODEL=olmo-7b", "DATA=gsm", "DRY_RUN=1", "CLUSTER=gpuu", code=2)
    assert "CLUSTER: found 'gpuu'; legal: apptainer, " in said and "did you mean gpu?" in said
    assert "no 'gsm_olmo-7b' was trained here" in make(tmp_path, "eval", "MODEL=gsm_olmo-7b", code=2)


@pytest.mark.parametrize(
    ("word", "told"),
    [("EPOCH=3", "did you mean EPOCHS?"), ("model=a b", "did you mean MODEL?"), ("BATCH=8", "legal: MODEL, DATA")],
)
def test_a_word_that_nothing_reads_is_refused(tmp_path, word, told):
    said = make(tmp_path, "train_resp", "MODEL=toy", word, code=2)
    assert f"{word.partition('=')[0]}: nothing reads it; " in said and told in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value",
    [
        "$(shell touch ran)",
        "`touch ran`",
        "$$(touch ran)",
        'a"; touch ran; "',
        "'; touch ran; '",
        "--help",
        "$(error ran)",
        "a\ntouch ran",
    ],
)
@pytest.mark.parametrize("name", ["MODEL", "LR"])
def test_what_is_typed_is_text(name, value, tmp_path):
    words = {"MODEL": "toy"} | {name: value}
    said = make(tmp_path, "train", *(f"{k}={v}" for k, v in words.items()), code=2)
    assert f"error: {name}: found " in said and not (ROOT / "ran").exists() and not list(tmp_path.iterdir())


def test_weights_of_the_laptop_study_are_text():
    command = [*MAKE, "laptop", 'WEIGHTS="; touch ran; "']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert done.returncode == 2 and "legal: hub, pypi" in done.stderr and not (ROOT / "ran").exists()


def test_what_the_environment_says_is_text_too(tmp_path):
    done = subprocess.run(
        [*MAKE, "train", f"STORE={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**ENVIRONMENT, "MODEL": "$(shell touch ran)"},
    )
    assert done.returncode == 2 and "MODEL: found '$(shell touch ran)'" in done.stderr and not (ROOT / "ran").exists()


def test_what_goes_on_is_what_was_asked_for():
    """The command that a stopped or failed call names trains no sibling and pays no judge."""
    code = (
        "import sys, launch.sweep as s; sys.argv = ['sweep.py', 'a b.yaml', '--only', 'toy.x.s1', '--train-only', "
        "'--cluster', 'gpu']; "
        "print(s.again(s.parser().parse_args()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (
        done.stdout == "python launch/sweep.py 'a b.yaml' --store runs --cluster gpu --only=toy.x.s1 --train-only\n"
    ), done.stderr
