"""Small models on disk, of many families, and with one fault each."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from winsweep import layout
from winsweep.check import model

TOY = next(p for p in sorted(layout.SHIPPED.iterdir()) if (p / "model.safetensors").exists())
COMMON = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    vocab_size=96,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
# of a good model and a broken one, in a folder with the instructions beside them
STUDY = """\
name: two
models: {good: {path: good}, broken: {path: broken}}
tasks: {ins: {from: toy, num_examples: 8}}
seeds: [1]
recipe: {lr: 1.0e-3, epochs: 1, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {path: ask.jsonl}
decoding: {max_new_tokens: 4, batch: 2, precision: fp32}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, num_local_experts=4)
VISION = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
)
FAMILIES = {
    **dict.fromkeys(
        (
            "llama",
            "mistral",
            "qwen2",
            "olmo",
            "olmo2",
            "phi",
            "phi3",
            "gpt_neox",
            "gemma",
            "stablelm",
            "cohere",
            "falcon",
        ),
        COMMON,
    ),
    "qwen3": COMMON | {"head_dim": 8},
    "gemma2": COMMON | {"head_dim": 8},
    "gemma3_text": COMMON | {"head_dim": 8},
    "qwen3_moe": COMMON | EXPERTS | {"head_dim": 8, "decoder_sparse_step": 1, "mlp_only_layers": []},
    "mixtral": COMMON | EXPERTS,
    "gpt2": dict(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=96),
    "bloom": dict(hidden_size=32, n_layer=2, n_head=4, vocab_size=96),
    "opt": dict(
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        vocab_size=96,
        word_embed_proj_dim=32,
    ),
    "mpt": dict(d_model=32, n_heads=4, n_layers=2, max_seq_len=64, vocab_size=96),
    "mamba": dict(hidden_size=32, num_hidden_layers=2, vocab_size=96, state_size=4),
    "gemma3": dict(
        text_config=COMMON | {"head_dim": 8},
        vision_config=VISION,
        mm_tokens_per_image=4,
        image_token_index=5,
        boi_token_index=6,
        eoi_token_index=7,
    ),
}
SAID = {
    "base": {},
    "max_tokens": [128],
    "frames": [{"user": "<|user|>", "assistant": "<|assistant|>"}],
    "decodings": [{"max_new_tokens": 8}],
    "adapters": [],
}


def family(name: str, folder: Path, shard: str = "5GB") -> Path:
    """A model of random weights of the family `name`, as transformers saves it."""
    AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **FAMILIES[name])).save_pretrained(
        folder, max_shard_size=shard
    )
    return folder


def toy(folder: Path, **config: object) -> Path:
    """A copy of a shipped model with some of its configuration changed."""
    shutil.copytree(TOY, folder)
    for name in ("manifest.json", "pretrain.json"):
        (folder / name).unlink(missing_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | config))
    return folder


def without(folder: Path, name: str) -> Path:
    """The model in `folder` less the weight `name`."""
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def with_tokens(folder: Path, *tokens: str) -> Path:
    """The model in `folder`, its tokenizer with more tokens than the embedding has rows."""
    path = folder / "tokenizer.json"
    told = json.loads(path.read_bytes())
    first = 1 + max(told["model"]["vocab"].values())
    told["added_tokens"] += [
        dict(id=first + n, content=p, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        for n, p in enumerate(tokens)
    ]
    path.write_text(json.dumps(told))
    return folder


def problems(folder, instructions=("What is 1 and 2?",), **said) -> str:
    found = model.look(str(folder), None, SAID | said, list(instructions))
    return "\n".join(f"{f.what}: {f.text}" for f in found.findings if f.verdict == "problem")
