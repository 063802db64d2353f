"""Adapters from YAML to the table: trained, collected for peft, worn by their base, merged into it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.local.conftest import ROOT, TINY, Bench
from winsweep.generate import model_cache
from winsweep.generate.model_cache import load

# peft's own way to ask a model of transformers
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]
LORA = """\
  ins: {from: toy, num_examples: 24, recipe: {lora: null}}
  low: {from: toy, num_examples: 24, recipe: {lora: {targets: [q_proj, down_proj]}}}
  one: {from: toy, num_examples: 24, recipe: {lora: {targets: [q_proj, down_proj], merge: true}}}
"""
SHIPPED = next((ROOT / "src/winsweep/shipped").glob("*/config.json")).parent


def study(model: str = "{pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}") -> str:
    head, tail = TINY.split("adapters:")[0], TINY[TINY.index("seeds:") :]
    head = head.replace("{pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}", model)
    recipe = tail.replace("lr: 1.0e-3,", "lr: 3.0e-2, lora: {rank: 4, alpha: 8},").replace("[1, 2]", "[1]")
    return f"{head}tasks:\n{LORA}{recipe}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("lora"), study())
    bench.run()
    return bench


def made(bench: Bench, stage: str, name: str) -> Path:
    [path] = bench.store.glob(f"{stage}/{name}-*")
    return path


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.arange(40)[None]).logits


def test_a_study_of_adapters_comes_to_its_table(bench: Bench) -> None:
    assert {"collect/a.ins.s1", "collect/a.low.s1", "collect/a.one.s1"} <= bench.published()
    finetunes = [path.name for path in bench.store.glob("finetune/*")]
    assert len(finetunes) == 2  # what is merged is the same finetune
    rows = (bench.store / "results/tiny.csv").read_text().splitlines()
    assert len(rows) == 4
    assert "0 jobs run" in bench.run()


def test_plain_peft_loads_what_is_collected(bench: Bench) -> None:
    base, low = made(bench, "pretrain", "a"), made(bench, "collect", "a.low.s1")
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= {p.name for p in low.iterdir()}
    assert not list(low.glob("model*.safetensors"))
    assert json.loads((low / "adapter_config.json").read_bytes())["target_modules"] == ["down_proj", "q_proj"]
    bare = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before = logits(bare)
    theirs = logits(PeftModel.from_pretrained(bare, low).eval())
    ours, _ = load(str(base), None, "fp32", lora=low)
    assert torch.equal(logits(ours), theirs) and not torch.allclose(theirs, before, atol=1e-3)
    again, _ = load(str(base), None, "fp32")
    assert again is ours and torch.equal(logits(again), before) and len(model_cache._held) == 1
    model_cache._held.clear()


def test_one_model_is_the_adapters_added_in_fp32(bench: Bench) -> None:
    base, low, one = (
        made(bench, "pretrain", "a"),
        made(bench, "collect", "a.low.s1"),
        made(bench, "collect", "a.one.s1"),
    )
    merged = AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32)
    apart = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), low).eval()
    torch.testing.assert_close(logits(merged), logits(apart), rtol=1e-5, atol=1e-5)
    told = json.loads((one / "record.json").read_bytes())["notes"]
    assert told["merged"]["answers"] == 8 and told["merged"]["different"] == 0
    assert told["num_parameters"] == merged.num_parameters()
    outputs = [(made(bench, "generate", f"a.{name}.s1") / "outputs.json").read_bytes() for name in ("low", "one")]
    texts = [[row["output"] for row in json.loads(data)] for data in outputs]
    assert texts[0] == texts[1]


def test_adapters_are_exported_as_such_and_checked_beside_their_model(bench: Bench, tmp_path: Path) -> None:
    line = [sys.executable, ROOT / "launch/export.py", bench.study, "a.low.s1", tmp_path / "out", "--check", "2"]
    done = subprocess.run([*map(str, line), "--store", bench.store], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "2 greedy answers are those of the study" in done.stdout, done.stdout + done.stderr
    card = (tmp_path / "out/README.md").read_text()
    assert "library_name: peft" in card and "These are adapters alone (LoRA)" in card and "'rank': 4" in card
    assert (tmp_path / "out/adapter_model.safetensors").exists()
    base = made(bench, "pretrain", "a")
    key = base.name.rpartition("-")[2]
    assert f"belong to `a`, winsweep's `pretrain/{key}`. It is on no hub" in card and ", peft " in card
    assert str(bench.store) not in card
    program = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert program and '"DIRECTORY"' in program[1]
    text = program[1].replace('"DIRECTORY"', json.dumps(str(base)))
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_targets_that_a_model_lacks_are_told_before_anything_is_made(tmp_path: Path) -> None:
    bench = Bench(tmp_path, study(f"{{path: {SHIPPED}}}").replace("down_proj], merge", "wqkv], merge"))
    said = " ".join(bench.run("--dry-run", code=1).split())
    assert "problem model a: adapters recipe.lora.targets wqkv: no linear module of this model is called so" in said
    assert "legal: all-linear, or some of q_proj, k_proj, v_proj, o_proj" in said
