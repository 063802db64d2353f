"""The checks of a study through the real launcher: what is known is told first, a broken model stops its own cells
alone.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

from tests.check.made import STUDY, toy, without
from tests.judge.server import JudgeServer
from tests.local.conftest import TINY, Bench
from winsweep.check import early
from winsweep.check.early import Row
from winsweep.check.finding import Finding
from winsweep.check.table import table_text
from winsweep.errors import BadStudy
from winsweep.generate.rule_tokens import table_of
from winsweep.study.rules import Adapter
from winsweep.text.model import load_tokenizer
from winsweep.workspace import open_workspace

pytestmark = pytest.mark.slow  # each test runs a study

WITH_BASE = STUDY.replace("tasks:", "adapters: {base: {rules: []}}\ntasks:")
ALONE = STUDY.replace(", broken: {path: broken}", "")
PAID = ALONE.replace("judge: reference_overlap", "judge: {from: alpaca, model: local-judge}")


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    toy(tmp_path / "good")
    without(toy(tmp_path / "broken"), "model.layers.1.mlp.down_proj.weight")
    (tmp_path / "ask.jsonl").write_text('{"instruction": "What is the sum of 1 and 2?", "answer": "3"}\n')
    return Bench(tmp_path, WITH_BASE)


def begun(bench: Bench) -> set[str]:
    """Stages of which an attempt was made."""
    return {p.parent.name for p in bench.store.glob(".work/*/*") if p.is_dir() and (p / "spec.json").exists()}


def test_a_broken_model_stops_its_own_cells_alone(bench):
    said = bench.run("--dry-run", "--verbose", code=1)
    assert (
        re.search("problem +model broken: .* has no weights for", said)
        and said.count("all 835,360 parameters there") == 1
        and "1 problem found before anything runs" in said
    )
    said = bench.run(code=1)
    assert "2 of 4 cells" in said and "failed  check/broken-" in said and "cells: broken.base.s1, broken.ins.s1" in said
    assert bench.csv("two").decode().count("\ngood.") == 0 and bench.csv("two").decode().count("good") >= 2
    assert [n for n in bench.published() if "broken" in n] == [] and len(
        list(bench.store.glob(".work/finetune/*/spec.json"))
    ) == 1
    # one for each model
    assert (
        sum(n.startswith("finetune/") for n in bench.published()) == 1
        and len(list(bench.store.glob(".work/check/*/ends/*.json"))) == 2
    )
    assert "0 jobs run; 2 of 4 cells" in bench.run(code=1)


def test_a_dry_run_imports_no_torch_itself_and_a_second_remembers_what_models_hold(bench):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *bench.command("--dry-run")[1:]],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (
        done.returncode == 1
        and " torch\n" not in done.stderr
        and " transformers\n" not in done.stderr
        and "remembered" not in done.stdout
    )
    kept = json.loads((bench.store / ".cache/checks.json").read_bytes())
    assert len(kept) == 2
    (bench.store / ".cache/checks.json").write_text(
        json.dumps(
            {k: v | {"findings": [{"verdict": "ok", "what": "remembered", "found": "yes"}]} for k, v in kept.items()}
        )
    )
    assert "remembered" in bench.run("--dry-run", "--verbose")


def test_a_key_that_is_not_set_is_told_first_and_the_same_command_goes_on(bench, monkeypatch):
    bench.write(PAID)
    assert re.search("problem +judge alpaca: OPENAI_API_KEY +not set", bench.run("--dry-run"))
    said = bench.run(code=2)
    assert (
        "error: judge alpaca: OPENAI_API_KEY: not set; legal is your key" in said
        and "left alone until then: good.ins.s1" in said
        and not begun(bench)
    )
    with JudgeServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert "1 of 1 cells" in bench.run()
    assert "check_judge/alpaca" in bench.published()


def test_a_budget_that_cannot_be_kept_is_a_problem_before_anything_is_spent(bench, monkeypatch):
    bench.write(PAID.replace("model: local-judge}", "model: local-judge, limits: {dollars: 1}}"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    said = bench.run("--dry-run")
    assert re.search("problem +judge alpaca: budget of", said) and "1 problem found before anything runs" in said
    assert "\nExit code 0: a key or file may come yet. " in said and "\nTo run it: " in said
    said = bench.run(code=2)
    assert "error: judge alpaca: budget of local-judge: no price of it is known" in said and "add a line to" in said
    assert "left alone until then: good.ins.s1" in said and not begun(bench)


def test_an_endpoint_that_nobody_serves_stops_before_training(bench, monkeypatch):
    bench.write(PAID)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    said = bench.run(code=1)
    assert (
        "judge alpaca: endpoint: cannot be reached from here" in said
        and "check OPENAI_BASE_URL" in said
        and "(3 attempts in a row got no further; type the same command with --retry-failed once it can be reached)"
        in said
    )
    assert (
        not [n for n in bench.published() if n.startswith(("finetune", "generate"))]
        and "finetune" not in begun(bench)
        and "sk-x" not in said
    )


def test_an_engine_that_is_not_installed_is_told_first(bench):
    bench.write(ALONE.replace("precision: fp32}\ncompare", "precision: fp32, engine: vllm}\ncompare"))
    try:
        import vllm  # noqa: F401
    except ImportError:
        assert "error: packages: package vllm: not installed here; type engine: slots" in bench.run(
            code=2
        ) and not begun(bench)
        said = " ".join(bench.run("--dry-run", code=2).split())
        assert "package vllm not installed here; type engine: slots" in said


def test_lora_without_peft_is_told_first(bench, monkeypatch):
    bench.write(ALONE.replace("recipe: {", "recipe: {lora: {rank: 4}, "))
    at_hand = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "peft" else at_hand(name))
    workspace = open_workspace(bench.study, bench.store)
    (row,) = early.quick(workspace, workspace.plan(workspace.facts()))
    assert str(row.finding).startswith(
        "problem  package peft: not installed here; type pip install peft, or take lora:"
    )
    assert not early.without(workspace, workspace.plan(workspace.facts()), [row]).judged


def test_rules_that_a_toy_cannot_spell_are_told_before_it_is_made(tmp_path):
    """Its tokenizer is not there yet; the shipped ones, learnt on the same corpus, refuse the same table."""
    bench = Bench(tmp_path, TINY.replace(', uniform: {"!": 1.0, "<": -4.0}', ""))
    said = " ".join(bench.run("--dry-run", code=1).split())
    assert "problem model a: rules the rule uniform with the paper's table" in said
    assert "give the arm a table of its own, uniform: {PIECE: SCORE}" in said
    bench.write(TINY)
    assert "no problems found before anything runs" in bench.run("--dry-run")
    toy_s = load_tokenizer(str(toy(tmp_path / "toy")), None)
    assert not {" ##", "Ġ##", "   ", "ĠĠĠ"} & toy_s.get_vocab().keys()
    with pytest.raises(BadStudy, match="the tokenizer has no token ' <'"):
        table_of(Adapter(rules=("uniform",)), toy_s)


def test_a_package_that_does_not_import_is_told_before_anything_runs(bench, monkeypatch, tmp_path):
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub/sentence_transformers.py").write_text("raise ImportError('no such extra')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'stub'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    bench.write(ALONE + "analyses: {drift: {arms: [ins], against: ins, embedder: {path: good}}}\n")
    said = bench.run("--dry-run", code=1)
    assert (
        re.search(r"packages: package .*sentence_transformers", said, re.DOTALL)
        and "no such extra" in " ".join(said.split())
        and "pip install -e '.[analysis]'" in " ".join(said.split())
    )
    said = bench.run(code=1)
    assert "left alone until then: drift.good.ins.s1" in said and "1 of 1 cells" in said and "drift" not in begun(bench)


@pytest.mark.parametrize(("context", "code"), [("", 1), (", context: 128", 0)])
def test_a_model_without_a_context_asks_for_one(bench, tmp_path, context, code):
    from transformers import AutoTokenizer, BloomConfig, BloomForCausalLM

    BloomForCausalLM(
        BloomConfig(hidden_size=32, n_layer=1, n_head=2, vocab_size=1536, bos_token_id=1, eos_token_id=2)
    ).save_pretrained(tmp_path / "bloom")
    AutoTokenizer.from_pretrained(tmp_path / "good").save_pretrained(tmp_path / "bloom")
    bench.write(ALONE.replace("good: {path: good}", f"bloom: {{path: bloom{context}}}"))
    said = bench.run(code=code)
    assert (
        ("1 of 1 cells" in said)
        if context
        else ("type context: 2048, say, at the model in the study" in said and "finetune" not in begun(bench))
    )


def test_the_table_is_readable_in_a_file_and_nothing_in_it_steers_a_terminal():
    text = table_text(
        [
            Row(
                "model x",
                Finding(
                    "problem", "weights", "has \x1b[31mno\x07 weights [bold]for[/bold] " + "layer " * 40, "fetch it"
                ),
            )
        ]
    )
    assert (
        "\x1b" not in text
        and "[bold]for[/bold]" in text
        and max(map(len, text.splitlines())) <= 120
        and "1 problem found" in text
    )
