"""Which models are decoded in slots: those whose logits come out the same; any other is decoded by transformers, with
the same promises.
"""

import pytest
import torch
from transformers import BloomConfig, Gemma2Config, MambaConfig, MistralConfig

from tests.generate import tiny
from winsweep.errors import Stopped
from winsweep.generate import attention, compatibility, greedy
from winsweep.generate.compatibility import fitting
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.train.tokenizer import learn

ODD = {
    "a window": (
        MistralConfig(**tiny.SIZES, num_key_value_heads=2, sliding_window=8),
        "not all of its layers attend to all tokens",
    ),
    "every other layer has a window": (
        Gemma2Config(**tiny.SIZES, head_dim=8, sliding_window=8),
        "not all of its layers",
    ),
    "no positions at all": (BloomConfig(vocab_size=tiny.VOCAB, hidden_size=32, n_layer=2, n_head=4), ""),
    "no attention": (MambaConfig(vocab_size=tiny.VOCAB, hidden_size=32, num_hidden_layers=2, state_size=4), ""),
}


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_models_whose_layers_hold_all_tokens_fit(kind, dtype):
    step, how = fitting(tiny.model(tiny.KINDS[kind], dtype))
    assert step is not None and how == "slots"


@pytest.mark.parametrize("kind", ODD)
def test_others_do_not_and_are_left_as_they_were(kind):
    config, why = ODD[kind]
    net = tiny.model(config)
    before = net.config._attn_implementation
    step, how = fitting(net)
    assert step is None and how and why in how and net.config._attn_implementation == before


@pytest.mark.parametrize("harm", ["a place too far", "a place too few", "a row sees another"])
def test_what_is_a_little_wrong_is_seen(harm, monkeypatch):
    def harmed(query, key, value, lengths_N, scaling):
        if harm == "a row sees another":
            key, value = key.roll(1, 0), value.roll(1, 0)
        return right(query, key, value, lengths_N + {"a place too far": 1, "a place too few": -1}.get(harm, 0), scaling)

    right = attention._slots
    monkeypatch.setattr(attention, "_slots", harmed)
    for dtype in (torch.float32, torch.bfloat16):
        step, how = fitting(tiny.model(dtype=dtype))
        assert step is None and "of their deviation" in how


@pytest.mark.parametrize("adapter", [None, Adapter(rules=("eos", "diversity"), eos_window=8)])
def test_a_model_that_does_not_fit_is_decoded_in_batches_that_stay_the_same(tmp_path, adapter):
    config = MistralConfig(**{**tiny.SIZES, "vocab_size": 280}, num_key_value_heads=2, sliding_window=8)
    tokenizer, notes, asked = learn(["Say the word number."], 280), [], [f"Say {'the ' * i}" for i in range(9)]
    tiny.model(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")

    def answers(work: str, batch: int, stopping=lambda: None) -> list[greedy.Answer]:
        (tmp_path / work).mkdir(exist_ok=True)
        return greedy.answer_all(
            asked,
            str(tmp_path / "model"),
            None,
            Decoding(max_new_tokens=12, batch=batch),
            Frame(),
            adapter,
            tmp_path / work,
            lambda a, b: None,
            stopping,
            notes.append,
        )

    with pytest.raises(Stopped, match="asked"):
        answers("a", 4, lambda: "asked" if list((tmp_path / "a").glob("rows-*")) else None)
    kept = sum(len(p.read_bytes().splitlines()) for p in (tmp_path / "a").glob("rows-*"))
    assert kept == 4 and answers("a", 4) == answers("b", 1)
    assert set(notes) == {"batches: not all of its layers attend to all tokens"}


def test_what_keeps_steps_from_being_recorded_is_told():
    assert compatibility._how(True, [], {"b", "a"}) == "slots, graphs, by a and b"
    assert compatibility._how(False, ["RuntimeError: no"], {"a"}) == "slots without graphs (RuntimeError: no), by a"
    assert compatibility._how(False, [], set()) == "slots"
