"""The model and the examples that finetuners are timed on; lengths are LIMA's."""

import json
import random
from pathlib import Path

VOCAB = 8192


def make_examples(num: int, scale: float) -> list:
    """Random ids, of which the first are masked: as many as an instruction has."""
    from winsweep.text.encode import MASKED, Example

    rng, found = random.Random(7), []
    for length, answer in rng.sample(json.loads(Path(__file__).with_name("lima_lengths.json").read_text()), num):
        num_ids = max(8, int(min(length, 2048) * scale))
        cut = num_ids - min(num_ids - 3, max(3, int(answer * scale)))
        ids = [rng.randrange(10, VOCAB) for _ in range(num_ids)]
        found.append(Example(ids, [MASKED] * cut + ids[cut:]))
    return found


def make_model():  # -> LlamaForCausalLM
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = dict(
        hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4
    )
    ids = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    return LlamaForCausalLM(
        LlamaConfig(**shape, **ids, vocab_size=VOCAB, max_position_embeddings=4096, tie_word_embeddings=False)
    ).train()
