"""Greedy answers of a real model: slots against transformers' `generate` token by token, with and without rules."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig

from tests.real.conftest import rows_of
from winsweep.generate.adapter import Rules
from winsweep.generate.compatibility import fitting
from winsweep.generate.greedy import answer_all, in_slots
from winsweep.generate.plain import answer_batch
from winsweep.generate.prompts import read_prompts
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text.ends import ends_of

pytestmark = pytest.mark.slow
RULES = Adapter(rules=("eos", "uniform", "diversity"), eos_window=16)
DECODING = Decoding(max_new_tokens=16, batch=20)


@pytest.fixture(scope="module")
def asked() -> list[str]:
    return [row["instruction"] for name in ("questions", "instructions") for row in rows_of(name)][:100]


def by_slots(model, tokenizer, base, prompts, frame, adapter=None) -> dict[int, list[int]]:
    attention = model.config._attn_implementation
    try:
        step, how = fitting(model)
        assert step is not None, how  # a real Llama is written in slots
        ends = ends_of(str(base), None, tokenizer)
        return dict(in_slots(step, tokenizer, prompts, set(), ends, DECODING, frame, adapter, lambda: None))
    finally:
        model.set_attn_implementation(attention)


def by_generate(model, tokenizer, base, prompts, frame, adapter=None) -> dict[int, list[int]]:
    rules = Rules.for_model(model, tokenizer, adapter, frame) if adapter else None
    ends = ends_of(str(base), None, tokenizer)
    batches = [prompts[i : i + 25] for i in range(0, len(prompts), 25)]
    return {row: new for b in batches for row, new in answer_batch(model, tokenizer, b, ends, rules, lambda: None)}


def test_slots_write_what_generate_writes_on_100_prompts(model, tokenizer, smollm2, asked):
    frame = Frame()
    prompts = read_prompts(asked, tokenizer, frame, 16, 8192)
    prompts.sort(key=lambda p: len(p.ids))  # little padding for `generate`
    ours = by_slots(model, tokenizer, smollm2, prompts, frame)
    theirs = by_generate(model, tokenizer, smollm2, prompts, frame)
    assert len(ours) == 100 and ours == theirs
    ended = [new for new in ours.values() if new[-1] == tokenizer.eos_token_id]
    assert 5 < len(ended) < 95  # so that slots were filled again in the middle


def test_rules_in_slots_are_the_rules_of_generate_and_end_answers(model, tokenizer, smollm2, asked):
    frame = Frame()
    prompts = read_prompts(asked[:24], tokenizer, frame, 16, 8192)
    ours = by_slots(model, tokenizer, smollm2, prompts, frame, RULES)
    assert ours == by_generate(model, tokenizer, smollm2, prompts, frame, RULES)
    plain = by_slots(model, tokenizer, smollm2, prompts, frame)
    num_ended = [sum(new[-1] == tokenizer.eos_token_id for new in found.values()) for found in (ours, plain)]
    assert num_ended[0] > num_ended[1] and ours != plain
    for new in ours.values():  # the rule of diversity: 1.5 off what was written or asked, which ends repetition
        assert len(set(new)) > len(new) / 2


def test_a_real_model_answers_in_its_own_template(smollm2, tmp_path):
    said = answer_all(
        ["What is the capital of France?", "What is 2 + 2?"],
        str(smollm2),
        None,
        replace(DECODING, max_new_tokens=24),
        Frame(template="chat"),
        None,
        tmp_path,
        lambda done, total: None,
    )
    assert "Paris" in said[0].text and not said[0].truncated and said[0].text.endswith(".")
    assert "4" in said[1].text and "<|im_end|>" not in said[0].text + said[1].text


def test_a_converted_directory_is_a_llama_with_its_tied_embedding(model, smollm2, tokenizer):
    config = AutoConfig.from_pretrained(smollm2)
    assert (config.model_type, config.vocab_size, len(tokenizer)) == ("llama", 49152, 49152)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert model.lm_head.weight is model.model.embed_tokens.weight and not hasattr(config, "quantization_config")
    assert all(torch.isfinite(p).all() for p in model.parameters())
