"""A study that has run to its end, and what is exported of one of its cells."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep.export.facts import Facts, facts
from winsweep.workspace import Workspace, open_workspace

STUDY = TINY.replace("  rules: {rules:", "  ruled: {rules:").replace("lr: 1.0e-3", "lr: 1.0e-2")
OF = """\
adapters:
  held: {of: sum, grammar: {regex: "[0-9]+"}}
  kept: {of: sum, rules: [eos, uniform], uniform: {"!": 1.0}}
  both: {of: sum, rules: [eos], grammar: {regex: "[0-9]+"}}
"""
OWN = "{pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}"
CARD = "---\nlicense: other\nlicense_name: toy-1.0\n---\n# A toy\n"
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"  # which no cell is trained with
CELL = "a.sum.s1"
SHIPPED = ROOT / "src/winsweep/shipped/6028d298f1b6"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A small study of a model that has a licence and a chat template, run once; tests only read it."""
    base = tmp_path_factory.mktemp("base") / "toy"
    shutil.copytree(SHIPPED, base, ignore=shutil.ignore_patterns("manifest.json", "pretrain.json"))
    (base / "README.md").write_text(CARD)
    (base / "LICENSE.txt").write_text("the terms of toy-1.0\n")
    config = json.loads((base / "tokenizer_config.json").read_bytes())
    (base / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": TEMPLATE}))
    assert OWN in STUDY
    bench = Bench(tmp_path_factory.mktemp("trained"), STUDY.replace(OWN, f"{{path: {base}}}"))
    bench.run()
    return bench


@pytest.fixture(scope="session")
def workspace(trained: Bench) -> Workspace:
    return open_workspace(trained.study, trained.store)


@pytest.fixture
def told(workspace: Workspace) -> Facts:
    return facts(workspace, CELL)


@pytest.fixture
def export(trained: Bench) -> Callable[..., str]:
    """The command, whose exit code is checked; what it prints."""

    def call(*words: object, code: int = 0, study: Bench = trained) -> str:
        line = [sys.executable, ROOT / "launch/export.py", study.study, *words, "--store", study.store]
        done = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=300, cwd=study.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def rows_of(path: Path) -> list[dict]:
    return json.loads(path.read_bytes())
