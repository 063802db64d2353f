"""The default embedder, on a random BERT in a directory: the same vectors as from one text at a time; what is missing is told."""

import sys

import numpy as np
import pytest
import torch

from winsweep.analysis.embed import counted, embedder
from winsweep.errors import BadData, MissingInput

TEXTS = ["how many apples", "a much longer text about apples and pears, and then some", ""]


@pytest.fixture
def folder(tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="the extra `analysis` is not installed")
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *{w for t in TEXTS for w in t.replace(",", " ,").split()}]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(tmp_path / "bert")
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    bert = modules.Transformer(str(tmp_path / "bert"))
    sentence_transformers.SentenceTransformer(modules=[bert, modules.Pooling(16)]).save(str(tmp_path / "model"))
    return tmp_path


def test_vectors_are_masked_means_of_unit_length(folder):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, bert = AutoTokenizer.from_pretrained(folder / "bert"), AutoModel.from_pretrained(folder / "bert").eval()
    with torch.inference_mode():
        means = np.stack([bert(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0).numpy() for t in TEXTS])
    assert embedder(str(folder / "model"))(TEXTS) == pytest.approx(means / np.linalg.norm(means, axis=1, keepdims=True), abs=1e-5)


def test_a_model_that_is_not_there_is_named(folder):
    with pytest.raises(BadData, match="embedder some/model: cannot be loaded .*hf download some/model"):
        embedder("some/model")


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingInput, match=r"pip install 'winsweep\[analysis\]'"):
        embedder("some/model")


def test_texts_are_counted_as_they_are_embedded(embed):
    told = []
    watched = counted(embed, told.append)
    assert (watched(TEXTS) == embed(TEXTS)).all() and watched(TEXTS[:1]).shape == (1, 1024) and told == [3, 4]
