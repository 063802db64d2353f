"""An embedder that needs no model."""

import hashlib

import numpy as np
import pytest


def bag_of_words(texts: list[str]) -> np.ndarray:
    """Counts of hashed words, divided by their length; texts that share words are alike."""
    counts = np.zeros((len(texts), 1024))
    for row, text in zip(counts, texts):
        for word in ["", *text.lower().split()]:
            row[int(hashlib.sha256(word.encode()).hexdigest(), 16) % 1024] += 1
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def embed():
    return bag_of_words
