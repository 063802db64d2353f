"""A whole GGUF file of some tens of kilobytes, by the writer of the package gguf: a Llama with two layers."""

from pathlib import Path

import numpy as np

HIDDEN, FFN, LAYERS, HEADS = 32, 48, 2, 2
LETTERS = [chr(i) for i in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
TOKENS = ["<s>", "</s>", *LETTERS, "ab", "abc"]


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (len(TOKENS), HIDDEN), "output_norm.weight": (HIDDEN,)}
    found["output.weight"] = (len(TOKENS), HIDDEN)
    for at in range(LAYERS):
        found |= {f"blk.{at}.attn_{name}.weight": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "output")}
        found |= {f"blk.{at}.{name}_norm.weight": (HIDDEN,) for name in ("attn", "ffn")}
        found |= {f"blk.{at}.ffn_{name}.weight": (FFN, HIDDEN) for name in ("gate", "up")}
        found[f"blk.{at}.ffn_down.weight"] = (HIDDEN, FFN)
    return found


def write(path: Path) -> Path:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, *[1] * (len(TOKENS) - 2)])
    writer.add_token_merges(["a b", "ab c"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    rng = np.random.default_rng(0)
    for name, shape in shapes().items():
        writer.add_tensor(name, rng.normal(0, 0.05, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
