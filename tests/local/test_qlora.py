"""Adapters on a base in 4 bits from YAML to the table, on the CPU: trained, worn by the same base, merged, exported;
and what is said where bitsandbytes is not installed.
"""

import importlib.util
import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from tests.local.conftest import ROOT, Bench
from tests.local.test_lora import logits, made, study
from winsweep.generate import model_cache
from winsweep.train import quantization

IS_THERE = importlib.util.find_spec("bitsandbytes") is not None
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # peft's own way
]
needs_it = pytest.mark.skipif(not IS_THERE, reason="QLoRA needs bitsandbytes, which is not installed: make qlora")


def quantized() -> str:
    return study().replace("lora: {rank: 4,", "lora: {quantize: nf4, rank: 4,")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("qlora"), quantized())
    bench.run()
    return bench


@needs_it
def test_adapters_say_that_their_base_was_in_4_bits_and_are_worn_by_it_so(bench: Bench) -> None:
    base, low = made(bench, "pretrain", "a"), made(bench, "collect", "a.low.s1")
    how = BitsAndBytesConfig.from_dict(json.loads((low / quantization.FILE).read_bytes()))
    assert how.load_in_4bit and how.bnb_4bit_quant_type == "nf4" and how.bnb_4bit_use_double_quant
    ours, _ = model_cache.load(str(base), None, "fp32", lora=low)
    assert len(list(quantization.modules(ours))) == 7
    whole, _ = model_cache.load(str(base), None, "fp32")
    assert whole is not ours and not list(quantization.modules(whole)) and len(model_cache._held) == 1
    model_cache.forget()
    assert "0 jobs run" in bench.run()


@needs_it
def test_one_model_is_what_the_4_bits_stand_for_and_the_adapters(bench: Bench) -> None:
    base, low, one = (
        made(bench, stage, name)
        for stage, name in (("pretrain", "a"), ("collect", "a.low.s1"), ("collect", "a.one.s1"))
    )
    merged = AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32)
    assert not hasattr(merged.config, "quantization_config")
    apart, _ = model_cache.load(str(base), None, "fp32", lora=low)
    torch.testing.assert_close(logits(merged), logits(apart), rtol=1e-5, atol=1e-5)
    model_cache.forget()
    notes = json.loads((one / "record.json").read_bytes())["notes"]
    assert notes["merged"]["answers"] == notes["full_base"]["answers"] == 8 and notes["merged"]["different"] == 0
    texts = [
        [row["output"] for row in json.loads((made(bench, "generate", f"a.{name}.s1") / "outputs.json").read_bytes())]
        for name in ("low", "one")
    ]
    assert texts[0] == texts[1]


@needs_it
def test_they_are_exported_with_a_program_that_loads_the_base_so(bench: Bench) -> None:
    line = [sys.executable, ROOT / "launch/export.py", bench.study, "a.low.s1", bench.folder / "out", "--check", "2"]
    done = subprocess.run([*map(str, line), "--store", bench.store], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "2 greedy answers are those of the study" in done.stdout, done.stdout + done.stderr
    card = (bench.folder / "out/README.md").read_text()
    program = card.partition("```python\n")[2].partition("```")[0]
    assert 'bnb_4bit_quant_type="nf4"' in program and "quantization_config=how" in program
    compile(program, "card", "exec")


@pytest.mark.skipif(IS_THERE, reason="bitsandbytes is installed")
def test_without_bitsandbytes_nothing_is_trained_in_vain(tmp_path) -> None:
    bench = Bench(tmp_path, quantized())
    said = " ".join(bench.run("--dry-run", code=1).split())
    assert "problem packages: package bitsandbytes not installed here; type pip install bitsandbytes, or take" in said
