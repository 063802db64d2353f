"""A random sentence-transformers model in a directory."""

import string
from pathlib import Path

import pytest
import torch

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [f"{mark}{c}" for c in string.ascii_lowercase + string.digits + string.punctuation for mark in ("", "##")]


def make_embedder(folder: Path) -> Path:
    """A mean-pooling BERT that reads texts letter by letter, at folder/model; the BERT alone at folder/bert."""
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="the extra `analysis` is not installed")
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertConfig, BertModel, BertTokenizerFast

    (folder / "vocab.txt").write_text("\n".join(SPECIAL + LETTERS))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(SPECIAL + LETTERS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=256).save_pretrained(folder / "bert")
    bert = modules.Transformer(str(folder / "bert"))
    sentence_transformers.SentenceTransformer(modules=[bert, modules.Pooling(16)]).save(str(folder / "model"))
    return folder / "model"
