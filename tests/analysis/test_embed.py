"""The default embedder, on a random BERT in a directory: the same vectors as from one text at a time; what is missing is told."""

import sys

import numpy as np
import pytest
import torch

from winsweep.analysis.embed import counted, embedder
from winsweep.errors import BadData, MissingInput
from tests.analysis.embedder import make_embedder

TEXTS = ["how many apples", "a much longer text about apples and pears, and then some", ""]


@pytest.fixture
def folder(tmp_path):
    make_embedder(tmp_path)
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
