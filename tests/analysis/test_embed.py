"""The default embedder, on a random BERT in a directory: the same vectors as from one text at a time; what is missing
is told.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.analysis.embedder import make_embedder
from tests.core.servers import COMMIT, Server, repository, serving
from winsweep.analysis.embed import counted, embedder
from winsweep.errors import BadData, NotFound

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["how many apples", "a much longer text about apples and pears, and then some", ""]


@pytest.fixture
def folder(tmp_path):
    make_embedder(tmp_path)
    return tmp_path


def test_vectors_are_masked_means_of_unit_length(folder):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, bert = AutoTokenizer.from_pretrained(folder / "bert"), AutoModel.from_pretrained(folder / "bert").eval()
    with torch.inference_mode():
        means = np.stack(
            [bert(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0).numpy() for t in TEXTS]
        )
    assert embedder(str(folder / "model"))(TEXTS) == pytest.approx(
        means / np.linalg.norm(means, axis=1, keepdims=True), abs=1e-5
    )


def test_a_model_that_is_not_there_is_named(folder):
    with pytest.raises(BadData, match=r"embedder some/model: cannot be loaded .*hf download some/model"):
        embedder("some/model")


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(NotFound, match=r"pip install -e '\.\[analysis\]' in the checkout"):
        embedder("some/model")


def test_texts_are_counted_as_they_are_embedded(embed):
    told = []
    watched = counted(embed, told.append)
    assert (watched(TEXTS) == embed(TEXTS)).all() and watched(TEXTS[:1]).shape == (1, 1024) and told == [3, 4]


@pytest.mark.slow
def test_an_embedder_is_fetched_once_and_then_found_without_a_network(folder):
    """In processes of their own, as the hub's library reads its environment when it is imported."""
    files = {
        p.relative_to(folder / "model").as_posix(): p.read_bytes() for p in (folder / "model").rglob("*") if p.is_file()
    }
    extra = {"onnx/model.onnx": b"z" * 300, "openvino/openvino_model.xml": b"z", "pytorch_model.bin": b"z"}

    def python(code: str, **env: str) -> None:
        head = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n"
        subprocess.run(
            [sys.executable, "-c", head + code],
            check=True,
            timeout=120,
            env=os.environ | {"HF_HOME": str(folder / "hf")} | env,
        )

    with serving(Server(repository("models", "some/embedder", COMMIT, files | extra))) as server:
        python(
            f"from winsweep.study.cell import HubModel; from winsweep.text import hub; assert "
            f"hub.fetch(HubModel('some/embedder', {COMMIT!r}))",
            HF_ENDPOINT=server.url,
            HF_HUB_OFFLINE="0",
        )
    python(
        f"from winsweep.analysis.embed import embedder; embedder('some/embedder', {COMMIT!r})(['how "
        f"many']).tofile({str(folder / 'v')!r})",
        HF_HUB_OFFLINE="1",
    )
    assert np.fromfile(folder / "v", dtype=np.float32) == pytest.approx(
        embedder(str(folder / "model"))(["how many"])[0], abs=1e-6
    )
    fetched = {
        p.relative_to(folder / "hf").as_posix().partition(f"{COMMIT}/")[2]
        for p in (folder / "hf").glob("hub/*/snapshots/**/*")
    }
    assert {"modules.json", "1_Pooling/config.json", "sentence_bert_config.json"} <= fetched
    assert not [line for line in server.asked if "onnx" in line or "openvino" in line or "pytorch_model" in line]
