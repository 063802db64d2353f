"""Models of a few thousand weights whose answers end now and then, and each row's answer as a plain loop writes it."""

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    OlmoConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from winsweep.generate.decoder import Decoder, Prompt
from winsweep.generate.step import Step
from winsweep.text.ends import Ends

VOCAB, EOS = 61, 5
SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
    "max_position_embeddings": 640,
}
KINDS = {
    "llama": LlamaConfig(**SIZES),
    "llama, shared keys": LlamaConfig(**SIZES, num_key_value_heads=2),
    "olmo": OlmoConfig(**SIZES, clip_qkv=3.0, pad_token_id=1),
    "qwen2": Qwen2Config(**SIZES, num_key_value_heads=2),
    "qwen3": Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16),
    "mistral without a window": MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=None),
    "opt": OPTConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        max_position_embeddings=640,
        init_std=0.3,
    ),
    "gpt2": GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=640, initializer_range=0.3),
}


def model(config: PreTrainedConfig = KINDS["llama"], dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def prompts(lengths: list[int], caps: list[int], seed: int = 0) -> list[Prompt]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Prompt(i, torch.randint(6, VOCAB, (n,), generator=generator).tolist(), cap)
        for i, (n, cap) in enumerate(zip(lengths, caps))
    ]


@torch.inference_mode()
def alone(net: PreTrainedModel, prompt: Prompt) -> list[int]:
    new: list[int] = []
    while len(new) < prompt.cap and new[-1:] != [EOS]:
        new.append(int(net(torch.tensor([prompt.ids + new]), use_cache=False).logits[0, -1].argmax()))
    return new


def in_slots(net: PreTrainedModel, asked: list[Prompt], num_slots: int, **limits: float) -> dict[int, list[int]]:
    return dict(Decoder(Step(net), num_slots, Ends((EOS,)), None, **limits).answer(asked, lambda: None))
