"""A model directory of an enemy's: nothing in it runs, nothing outside it is read, nothing is read without end."""

import contextlib
import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from winsweep import layout
from winsweep.errors import BadData
from winsweep.store.fingerprint import fingerprint
from winsweep.store.indexes import refuse_outside
from winsweep.text import weights
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.model import load_tokenizer
from winsweep.text.weights import load_whole, read_shapes, shapes_in

from .forged import sparse, special

TOY = next(p.parent for p in sorted(layout.SHIPPED.glob("*/model.safetensors")))
SRC = Path(layout.PACKAGE)


@pytest.fixture
def model(tmp_path) -> Path:
    return Path(shutil.copytree(TOY, tmp_path / "model", copy_function=shutil.copyfile))


class Runs:
    """What a pickle holds that makes a file where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["torch", "old torch", "plain"])
def test_a_pickle_that_runs_does_not(how, model, tmp_path):
    (model / "model.safetensors").unlink()
    path, ran = model / "pytorch_model.bin", tmp_path / "ran"
    if how == "plain":
        path.write_bytes(pickle.dumps(Runs(ran)))
    else:
        torch.save({"lm_head.weight": Runs(ran)}, path, _use_new_zipfile_serialization=how == "torch")
    for read in (lambda: read_shapes(model), lambda: load_whole(str(model), None, torch.float32)):
        with pytest.raises(Exception, match=r"cannot be read|[Ww]eights.only|not allowed"):
            read()
    assert not ran.exists()


def test_pickles_beside_the_weights_are_not_read(model, tmp_path):
    for name in (
        "training_args.bin",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "tokenizer.pkl",
        "pytorch_model.bin",
    ):
        (model / name).write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    load_tokenizer(str(model), None)
    load_whole(str(model), None, torch.float32)
    assert not (tmp_path / "ran").exists()


CODE = "import os\nos.mkdir({!r})\nclass Mine: pass\n"


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_its_authors_does_not_run_and_nobody_is_asked(file, is_known, model, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run it"))
    (model / "mine.py").write_text(CODE.format(str(tmp_path / "ran")))
    told = json.loads((model / file).read_bytes())
    kinds = ("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer")
    told["auto_map"] = {kind: "mine.Mine" if kind != "AutoTokenizer" else ["mine.Mine", "mine.Mine"] for kind in kinds}
    if not is_known:
        told |= {"model_type": "mine", "tokenizer_class": "Mine"}
    (model / file).write_text(json.dumps(told))
    for read in (lambda: load_tokenizer(str(model), None), lambda: load_whole(str(model), None, torch.float32)):
        with contextlib.suppress(BadData, ValueError):
            read()
    assert not (tmp_path / "ran").exists()


def test_every_door_to_transformers_says_that_no_code_is_trusted():
    found = [
        f"{path.relative_to(SRC)}: {text[:70]!r}"
        for path in SRC.rglob("*.py")
        if path.name != "loading.py"  # words for a model card
        for kind in ("AutoConfig", "AutoTokenizer", "AutoModelForCausalLM", "kind")
        for text in path.read_text().split(f"{kind}.from_pretrained(")[1:]
        if "trust_remote_code=False" not in text[:300]
        and '"trust_remote_code": False' not in path.read_text()
        and not text.lstrip().startswith("None,")  # names and shapes alone, of a class that is known
    ]
    assert not found


@pytest.mark.parametrize("asked", ["evil/kernels", "evil/kernels@main:mine", {"": "evil/kernels"}])
@pytest.mark.parametrize("at", ["attn_implementation", "_attn_implementation", "experts_implementation"])
def test_kernels_of_a_repository_are_refused(at, asked, model):
    told = json.loads((model / "config.json").read_bytes())
    for changed in (told | {at: asked}, told | {"text_config": {at: asked}}):
        (model / "config.json").write_text(json.dumps(changed))
        with pytest.raises(BadData, match=r"config\.json: asks for the kernels 'evil/kernels.*take it out"):
            refuse_outside_weights(str(model), None)
    (model / "config.json").write_text(json.dumps(told | {at: "sdpa"}))
    refuse_outside_weights(str(model), None)


FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "generation_config.json")


@pytest.mark.parametrize("kind", ["a pipe", "a link to a device"])
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_or_a_device_is_refused_before_it_is_opened(name, kind, model):
    (model / name).unlink()
    special(kind, model / name)
    for door in (refuse_outside, fingerprint, lambda folder: load_tokenizer(str(folder), None)):
        with pytest.raises(BadData, match=rf"{name}: found a pipe or a device"):
            door(model)


@pytest.mark.parametrize(
    "name",
    ["config.json", "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "model.safetensors.index.json"],
)
def test_a_small_file_is_small(name, model):
    sparse(model / name, 1 << 40)
    with pytest.raises(BadData, match=rf"{name}: found 1,099,511,627,776 bytes; at most"):
        refuse_outside_weights(str(model), None)


HEADERS = {
    "longer than the file": struct.pack("<Q", 1 << 62) + b"{}",
    "of 100 MB and more": struct.pack("<Q", 100_000_001) + b"{",
    "of nothing": struct.pack("<Q", 0),
    "without a size": b"\1",
    "of no JSON": struct.pack("<Q", 4) + b"nope",
    "of a list": struct.pack("<Q", 2) + b"[]",
    "too deep": struct.pack("<Q", 200_000) + b'{"a":' * 40_000,
    "of a tensor outside": b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
    "of a tensor below 0": b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}',
    "of a shape without end": b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}',
    "of a shape below 0": b'{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}',
    "of an unknown type": b'{"a":{"dtype":"PICKLE","shape":[1],"data_offsets":[0,4]}}',
    "of two tensors in one place": b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},'
    b'"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies_is_told(name, tmp_path):
    said = HEADERS[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(said)) + said if said.startswith(b'{"a":{') else said)
    with pytest.raises(BadData, match=r"model\.safetensors: cannot be read"):
        shapes_in(path)


INDICES = ("../x.safetensors", "/etc/passwd", "a/../../x.safetensors", "sub/x.safetensors", "x\0.safetensors", "..", "")


@pytest.mark.parametrize("named", INDICES)
def test_an_index_leads_nowhere_else(named, model):
    (model / "model.safetensors").rename(model.parent / "x.safetensors")
    index = {"metadata": {}, "weight_map": {"lm_head.weight": named}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    for door in (refuse_outside, weights.read_shapes, lambda folder: load_tokenizer(str(folder), None)):
        with pytest.raises(BadData, match=r"weight_map names|not there"):
            door(model)


@pytest.mark.parametrize(
    "said", [b"[" * 100_000, b"[]", b"null", b'{"weight_map": []}', b'{"weight_map": {"a": 1}}', b""]
)
def test_an_index_that_is_none_is_told(said, model):
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_bytes(said)
    with pytest.raises(BadData):
        read_shapes(model)


def test_the_configuration_of_a_whole_model_is_read_as_it_was(model):
    assert AutoConfig.from_pretrained(model, trust_remote_code=False).model_type == "llama"
    assert load_whole(str(model), None, torch.float32).num_parameters() > 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"num_hidden_layers": 10**9}, r"config\.json: found 'num_hidden_layers' 1000000000; at most 2,048 are legal"),
        ({"text_config": {"n_layer": 10**30}}, "'n_layer' of more than 15 digits; at most"),
        ({"num_local_experts": 10**7}, "'num_local_experts' 10000000"),
        ({"num_labels": 10**9}, "'num_labels' 1000000000"),
        ({"return_dict": False}, "found return_dict false, .*; true is legal; take it out"),
    ],
    ids=str,
)
def test_a_configuration_that_takes_all_memory_or_cannot_be_read_is_refused_first(said, told, model):
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | said))
    for door in (refuse_outside, fingerprint, lambda folder: load_tokenizer(str(folder), None)):
        with pytest.raises(BadData, match=told):
            door(model)
