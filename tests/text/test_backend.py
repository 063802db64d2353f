"""Llama-2's tokenizer gives the same ids however it lies there: its file, a directory with that file, a directory as
the hub has it.
"""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer, LlamaConfig

from winsweep.study.frame import Frame
from winsweep.tasks import gsm, mbpp
from winsweep.text.encode import encode
from winsweep.text.model import load_tokenizer, save_around
from winsweep.text.source import file_rows
from winsweep.train.tokenizer import load

SPECIAL = {
    f"{name}_token": {
        "__type": "AddedToken",
        "content": text,
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "single_word": False,
    }
    for name, text in (("bos", "<s>"), ("eos", "</s>"), ("unk", "<unk>"))
}
CONFIG = {
    "tokenizer_class": "LlamaTokenizer",
    "add_bos_token": True,
    "add_eos_token": False,
    "clean_up_tokenization_spaces": False,
    "model_max_length": 10**30,
    "pad_token": None,
    "sp_model_kwargs": {},
    **SPECIAL,
}
TURNS = [
    {"role": "user", "content": "Who    are you?"},
    {"role": "assistant", "content": "Me.\n\n  And you?"},
    {"role": "user", "content": " And  now?"},
    {"role": "assistant", "content": "日本 naïve 🦙"},
]


def folder(path: Path, data: Path, *, fast: bool, slow: bool, legacy: bool | None) -> Path:
    """A model's directory: with tokenizer.json, with tokenizer.model, and with a configuration unless `legacy`
    is None.
    """
    LlamaConfig(vocab_size=32000).save_pretrained(path)
    if fast:
        load(data / "llama2_tokenizer.model").backend_tokenizer.save(str(path / "tokenizer.json"))
    if slow:
        shutil.copy(data / "llama2_tokenizer.model", path / "tokenizer.model")
    if legacy is not None:
        (path / "tokenizer_config.json").write_text(json.dumps(CONFIG | {"legacy": legacy}))
    return path


@pytest.fixture(scope="module")
def rows(data) -> list[list[dict]]:
    """Real rows of one turn, and some of several."""
    found = [
        m
        for reader, name in ((gsm, "gsm8k_train_first1000"), (mbpp, "mbpp_train374"))
        for m in reader.examples(file_rows(data / f"{name}.jsonl"), reader.Options())
    ]
    return [*found[::25], TURNS, *(a + b for a, b in zip(found[::100], found[1::100]))]


@pytest.fixture(scope="module")
def wanted(data, rows) -> list[list[int]]:
    own = load(data / "llama2_tokenizer.model")
    return [encode(row, own, Frame()).ids for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        dict(fast=False, slow=True, legacy=False),
        dict(fast=False, slow=True, legacy=True),
        dict(fast=False, slow=True, legacy=None),
        dict(fast=True, slow=True, legacy=False),
        dict(fast=True, slow=False, legacy=False),
        dict(fast=True, slow=True, legacy=True),
    ],
    ids=str,
)
def test_every_way_gives_the_ids_of_the_file(kind, rows, wanted, data, tmp_path):
    own, there = load(data / "llama2_tokenizer.model"), folder(tmp_path / "model", data, **kind)
    found = load_tokenizer(str(there), None)
    assert [encode(row, found, Frame()).ids for row in rows] == wanted and sum(map(len, wanted)) > 10_000
    several = [ids for row, ids in zip(rows, wanted) if len(row) > 2]
    assert len(several) == 15 and all(29871 in ids for ids in several)  # a space token behind each inner EOS
    assert found.decode(several[0]) == own.decode(several[0]) and (found.bos_token, found.eos_token) == ("<s>", "</s>")
    save_around(str(there), None, found, tmp_path / "saved")
    assert [encode(row, load_tokenizer(str(tmp_path / "saved"), None), Frame()).ids for row in rows[-3:]] == wanted[-3:]
    assert [load(there)(text)["input_ids"] for text in ("a  b", "</s> c")] == [
        own(text)["input_ids"] for text in ("a  b", "</s> c")
    ]


def test_without_this_transformers_loses_a_token(data, tmp_path):
    """The fault that is mended: if this fails, transformers has mended it."""
    there = folder(tmp_path, data, fast=True, slow=True, legacy=False)
    text = "Me.</s>\n<|user|>"
    lost = AutoTokenizer.from_pretrained(there)(text)["input_ids"]
    kept = load_tokenizer(str(there), None)(text)["input_ids"]
    assert len(kept) == len(lost) + 1 and kept.count(29871) == 1


def test_the_prefix_space_that_a_configuration_asks_for_stays(tmp_path, root):
    shipped = next((root / "src/winsweep/shipped").glob("*/tokenizer.json")).parent
    shutil.copytree(shipped, tmp_path / "toy")
    assert (
        load_tokenizer(str(tmp_path / "toy"), None).backend_tokenizer.to_str()
        == AutoTokenizer.from_pretrained(shipped).backend_tokenizer.to_str()
    )
