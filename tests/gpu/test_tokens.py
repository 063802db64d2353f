"""Tokens of slots, of recorded graphs and of rules are those of plain `generate`."""

from collections.abc import Callable

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, OlmoConfig, PreTrainedModel

from tests.generate import tiny
from winsweep.generate.adapter import Rules
from winsweep.generate.compatibility import fitting
from winsweep.generate.decoder import Decoder, Prompt
from winsweep.generate.plain import answer_batch
from winsweep.generate.rule_tokens import resolve
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text.ends import Ends
from winsweep.train.tokenizer import learn

pytestmark = pytest.mark.gpu
VOCAB = 300
SIZES = {**tiny.SIZES, "hidden_size": 256, "intermediate_size": 384, "num_hidden_layers": 3, "vocab_size": VOCAB}
SIZES["initializer_range"] = 0.1
KINDS = {
    "llama": LlamaConfig(**SIZES),
    "shared keys": LlamaConfig(**SIZES, num_key_value_heads=2),
    "olmo": OlmoConfig(**SIZES, clip_qkv=3.0, pad_token_id=1),
}
ADAPTER = Adapter(rules=("eos", "uniform", "diversity"), eos_window=20, uniform=(("!", 1.0), ("a", -2.0)))


@pytest.fixture(scope="module")
def tokenizer():
    return learn(["<|user|>\nWe should say what!\n<|assistant|>\n"] * 3, VOCAB)


def make(kind: str, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    net = tiny.model(KINDS[kind], dtype).to(device)
    net.generation_config = GenerationConfig()
    return net


def asked(tokenizer: object, num: int, device: torch.device) -> list[Prompt]:
    """So many prompts, a quarter of them on a CPU."""
    num = num if device.type == "cuda" else num // 4
    texts = [Frame().prompt("say " * (7 * i % 40) + "what") for i in range(num)]
    return [Prompt(i, tokenizer(text)["input_ids"], 10 + 9 * i % 40) for i, text in enumerate(texts)]


def in_slots(net: PreTrainedModel, tokenizer: object, prompts: list[Prompt], rules: bool) -> tuple[dict, object]:
    step, how = fitting(net)
    assert how == ("slots, graphs" if (net.device.type, net.dtype) == ("cuda", torch.bfloat16) else "slots"), how
    resolved = resolve(ADAPTER, tokenizer, VOCAB, Frame()) if rules else None
    decoder = Decoder(step, max(4, len(prompts) // 2), Ends((tokenizer.eos_token_id,)), resolved)
    return dict(decoder.answer(prompts, lambda: None)), step


@pytest.mark.parametrize("rules", [False, True], ids=["", "rules"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_fp32_they_are_those_of_generate(kind: str, rules: bool, device: torch.device, tokenizer: object) -> None:
    net, prompts = make(kind, torch.float32, device), asked(tokenizer, 40, device)
    found, _ = in_slots(net, tokenizer, prompts, rules)
    net.set_attn_implementation("sdpa")
    processor = Rules(ADAPTER, tokenizer, VOCAB, Frame()) if rules else None
    ends, want = Ends((tokenizer.eos_token_id,)), {}
    for i in range(0, len(prompts), 8):
        want |= dict(answer_batch(net, tokenizer, prompts[i : i + 8], ends, processor, lambda: None))
    assert [row for row in want if found[row] != want[row]] == []


@pytest.mark.parametrize("rules", [False, True], ids=["", "rules"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_bf16_each_is_the_models_own_within_rounding(
    kind: str, rules: bool, device: torch.device, tokenizer: object
) -> None:
    """Rows that come and go, so that several widths are recorded while others are half written."""
    net, prompts = make(kind, torch.bfloat16, device), asked(tokenizer, 60, device)
    found, step = in_slots(net, tokenizer, prompts, rules)
    assert device.type != "cuda" or len(step.recorded) > 1
    net.set_attn_implementation("sdpa")
    worst = max(behind(net, tokenizer, p, found[p.row], rules) for p in prompts)
    print(f"{kind}: a token is at most {worst:.3f} deviations of its logits behind the likeliest one")
    assert worst < 0.15


@torch.inference_mode()
def behind(net: PreTrainedModel, tokenizer: object, prompt: Prompt, new: list[int], rules: bool) -> float:
    """How far the logit of a written token is behind the largest, at worst, in the logits' standard deviation."""
    ids = torch.tensor([prompt.ids + new], device=net.device)
    logits_TV = net(ids, use_cache=False).logits[0, len(prompt.ids) - 1 : -1].float()
    deviation = logits_TV.std(1)
    if rules:
        added: Callable = Rules(ADAPTER, tokenizer, VOCAB, Frame())
        rows = [added(ids[:, : len(prompt.ids) + i], logits_TV[i : i + 1].clone()) for i in range(len(new))]
        logits_TV = torch.cat(rows)
    chosen_T = logits_TV.gather(1, ids[0, len(prompt.ids) :, None])[:, 0]
    return float(((logits_TV.amax(1) - chosen_T) / deviation).max())
