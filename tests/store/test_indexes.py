"""What an index of weights names lies beside it, wherever one is read: fingerprint, training, generation, judge,
embedder, collect, the cache.
"""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from winsweep import layout, strict
from winsweep.errors import BadData, Damaged
from winsweep.store import manifest
from winsweep.store.fingerprint import Fingerprints, fingerprint
from winsweep.store.indexes import refuse_outside
from winsweep.study.cell import HubModel
from winsweep.text import hub

TOY = next(p.parent for p in sorted(layout.SHIPPED.glob("*/model.safetensors")))
OUTSIDE = [
    "../../x.safetensors",
    "../x.safetensors",
    "/abs/x.safetensors",
    "a/x.safetensors",
    "..",
    ".",
    "",
    "..\\x.safetensors",
    "x\n.safetensors",
    "manifest.json",
    "x",
    7,
    None,
    ["x.safetensors"],
    {"x": 1},
]


@pytest.fixture
def model(tmp_path) -> Path:
    """A toy model whose weights are links, as in the hub's cache, and which has an index."""
    folder = tmp_path / "deep/model"
    folder.mkdir(parents=True)
    for path in TOY.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (tmp_path / "x.safetensors").symlink_to(TOY / "model.safetensors")
    names = AutoModelForCausalLM.from_pretrained(TOY).state_dict().keys()
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")})
    )
    return folder


def pointed(folder: Path, name: object, file: str = "model.safetensors.index.json") -> Path:
    index = json.loads((folder / "model.safetensors.index.json").read_bytes())
    index["weight_map"]["lm_head.weight"] = name
    (folder / file).write_text(json.dumps(index))
    return folder


def test_files_that_are_links_are_fine(model):
    before = fingerprint(model)
    assert AutoModelForCausalLM.from_pretrained(model) and before == fingerprint(model)


@pytest.mark.parametrize("name", OUTSIDE, ids=str)
def test_a_name_that_leads_elsewhere_is_refused_when_its_content_is_asked_for(name, model, tmp_path):
    pointed(model, name)
    for ask in (refuse_outside, fingerprint, Fingerprints(tmp_path / "cache/digests.json")):
        with pytest.raises(
            BadData, match=r"index.json: weight_map names .*; legal are names of files of weights beside it"
        ):
            ask(model)


@pytest.mark.parametrize(
    "file", ["pytorch_model.bin.index.json", "model.safetensors.index.fp16.json", "sub/model.safetensors.index.json"]
)
def test_so_it_is_in_every_index(file, model):
    (model / "sub").mkdir()
    pointed(model, "../../x.safetensors", file)
    with pytest.raises(BadData, match=r"weight_map names '../../x.safetensors'"):
        fingerprint(model)


@pytest.mark.parametrize("text", ["", "[" * 9999, '{"weight_map": [1]}', '{"weight_map": "../x"}', "\xff"])
def test_an_index_that_is_none_is_named(text, model):
    (model / "model.safetensors.index.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadData, match=r"model.safetensors.index.json: "):
        fingerprint(model)


def test_everything_that_loads_a_model_looks_first(model, monkeypatch):
    from winsweep.analysis import embed
    from winsweep.generate import model_cache
    from winsweep.judge import local
    from winsweep.study.recipe import Recipe
    from winsweep.text.model import load_tokenizer
    from winsweep.train import collect, engine

    pointed(model, "../../x.safetensors")
    assert AutoModelForCausalLM.from_pretrained(model)  # transformers itself loads it
    monkeypatch.setattr(local, "load_tokenizer", lambda *_: None)
    loads = [
        lambda: load_tokenizer(str(model), None),
        lambda: model_cache.load(str(model), None, "fp32"),
        lambda: local._Local(None, str(model), None, "fp32"),
        lambda: engine._load(model, None, Recipe(lr=1e-3, epochs=1), {"zero_optimization": {"stage": 1}}),
        lambda: collect.check_loads(model, AutoModelForCausalLM, None, None),
    ]
    for load in loads:
        with pytest.raises(BadData, match="weight_map names"):
            load()
    embedders = model / "modules.json"
    pointed(model, "x.safetensors")
    embedders.write_text('[{"path": ""}, {"path": "../../elsewhere"}]')
    with pytest.raises(BadData, match=r"path names '../../elsewhere'"):
        refuse_outside(model)
    pytest.importorskip("sentence_transformers")
    with pytest.raises(BadData, match="path names"):
        embed.embedder(str(model))


def test_a_model_of_the_hubs_cache_is_looked_at_too(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    snapshot = tmp_path / "cache/models--a--b/snapshots/0123"
    snapshot.parent.mkdir(parents=True)
    pointed(model, "../../x.safetensors").rename(snapshot)
    with pytest.raises(BadData, match="weight_map names"):
        hub.refuse_outside_weights("a/b", "0123")
    with pytest.raises(BadData, match="weight_map names"):
        hub.is_there(HubModel("a/b", "0123"))
    hub.refuse_outside_weights("a/none", None)


def test_a_study_names_it_before_anything_runs(model, tmp_path):
    from winsweep.study.parts import Parts

    pointed(model, "/etc/x.safetensors")
    with pytest.raises(BadData, match=r"weight_map names '/etc/x.safetensors'"):
        Parts(tmp_path / "s.yaml", Fingerprints(tmp_path / "c.json")).on_disk(
            strict.Node(str(model), str(tmp_path / "s.yaml"), 1, "path")
        )


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_no_more_does_a_manifest_lead_elsewhere(name, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/manifest.json").write_text(json.dumps({name: manifest.entry_of(b"")}))
    with pytest.raises(Damaged, match="not below it"):
        manifest.verify(tmp_path / "a")
