"""A GGUF file that is damaged anywhere, or lies about what it holds, ends in words and leaves no directory."""

import random
import re
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.text import tiny_gguf
from tests.text.test_gguf import wheel
from winsweep.errors import BadData
from winsweep.text.gguf import convert, from_package
from winsweep.text.gguf_header import read_header
from winsweep.text.model import load_tokenizer

pytest.importorskip("gguf")
WORDS = re.compile(r"^[^\n]*: [^\n]*; (legal|a whole GGUF file|a GGUF file begins)[^\n]*; [^\n]+$")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def changed(whole: Path, folder: Path, old: bytes, new: bytes) -> Path:
    data = whole.read_bytes()
    assert data.count(old) == 1, old
    (made := folder / "model.gguf").write_bytes(data.replace(old, new))
    return made


def named(key: str, kind: int, code: str, value: object) -> bytes:
    """A field as it lies in a file."""
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + struct.pack(f"<{code}", value)


def test_a_whole_one_becomes_a_model_and_its_tokenizer(whole: Path, tmp_path: Path) -> None:
    header = read_header(whole)
    made = convert(whole, tmp_path / "model", "fp32")
    assert AutoModelForCausalLM.from_pretrained(made).num_parameters() == header.num_parameters
    assert load_tokenizer(str(made), None).convert_ids_to_tokens(load_tokenizer(str(made), None)("abc").input_ids) == [
        "abc"
    ]


@pytest.mark.parametrize("share", [0.0, 0.00003, 0.00006, 0.0001, 0.0003, 0.001, 0.01, 0.03, 0.06, 0.1, 0.5, 0.99999])
def test_one_that_is_cut_short_is_told_by_where_it_ends(whole: Path, tmp_path: Path, share: float) -> None:
    data = whole.read_bytes()
    (file := tmp_path / "model.gguf").write_bytes(data[: int(share * len(data))])
    with pytest.raises(
        BadData, match=r"model\.gguf: (ends in .* bytes wanted at byte|begins with|tensor .* ends at byte)"
    ) as e:
        convert(file, tmp_path / "model")
    assert WORDS.match(str(e.value)) and not (tmp_path / "model").exists()


HEAD = b"GGUF" + struct.pack("<I", 3)
MANY = 2**62


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (HEAD, b"GGUF" + struct.pack("<I", 77), "its version is 77"),
        (HEAD, b"GGUF" + struct.pack(">I", 3), "its version is 50331648"),
        (
            HEAD + struct.pack("<Q", 21),
            HEAD + struct.pack("<Q", MANY),
            "its number of tensors is 4,611,686,018,427,387,904, and at most 200,000 are read",
        ),
        (
            struct.pack("<Q", 12) + b"general.name",
            struct.pack("<Q", MANY) + b"general.name",
            "the length of the name of field",
        ),
        (
            b"general.name\x08\0\0\0" + struct.pack("<Q", 4),
            b"general.name\x08\0\0\0" + struct.pack("<Q", MANY),
            "the length of the text of general.name",
        ),
        (b"general.name\x08", b"general.name\x63", "field 'general.name' has type 99"),
        (
            named("llama.block_count", 4, "I", 2),
            named("llama.block_count", 4, "I", 2**31),
            "llama.block_count is 2147483648, and its 21 tensors",
        ),
        (
            named("llama.embedding_length", 4, "I", 32),
            named("llama.embedding_length", 4, "I", 2**30),
            "allow at most 2",
        ),
        (named("llama.feed_forward_length", 4, "I", 48), named("llama.feed_forward_length", 4, "I", 50), "mlp"),
        (b"token_embd.weight", b"../../../x.weight", "has no weights for model.embed_tokens.weight"),
        (b"blk.1.ffn_down.weight", b"blk.0.ffn_down.weight", "tensor 'blk.0.ffn_down.weight' is there twice"),
        (b"blk.1.attn_q.weight", b"blk.9.attn_q.weight", "layers.1.self_attn.q_proj.weight"),
        (
            b"output_norm.weight" + struct.pack("<IQ", 1, 32),
            b"output_norm.weight" + struct.pack("<IQ", 1, MANY),
            "tensor 'output_norm.weight' of shape .* ends at byte",
        ),
        (
            b"output_norm.weight" + struct.pack("<I", 1),
            b"output_norm.weight" + struct.pack("<I", 2**31),
            "has 2147483648 dimensions",
        ),
        (
            b"general.architecture\x08\0\0\0" + struct.pack("<Q", 5) + b"llama",
            b"general.architecture\x08\0\0\0" + struct.pack("<Q", 5) + b"mummy",
            r"cannot be read \(ValueError: GGUF model with architecture mummy .*type pip install gguf, or name another",
        ),
        (b"general.architecture", b"general.architectura", "it names no general.architecture"),
    ],
)
def test_what_is_absurd_is_named(whole: Path, tmp_path: Path, old: bytes, new: bytes, told: str) -> None:
    file = changed(whole, tmp_path, old, new)
    with pytest.raises(BadData, match=told) as e:
        convert(file, tmp_path / "model")
    assert str(e.value).startswith(str(tmp_path)) and "\n" not in str(e.value)
    assert [p.name for p in tmp_path.iterdir()] == ["model.gguf"]


def test_a_list_longer_than_the_file_ends_at_once(whole: Path, tmp_path: Path) -> None:
    key = b"tokenizer.ggml.token_type" + struct.pack("<IIQ", 9, 5, len(tiny_gguf.TOKENS))
    for num, told in (
        (MANY, "at most 19,9"),
        (10_000_000, "ends in the list of tokenizer.ggml.token_type: 40,000,000 bytes"),
    ):
        file = changed(whole, tmp_path, key, key[:-8] + struct.pack("<Q", num))
        with pytest.raises(BadData, match=told):
            read_header(file)


def test_a_weight_that_is_no_number_is_named(whole: Path, tmp_path: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[-4:] = struct.pack("<f", float("nan"))
    (file := tmp_path / "model.gguf").write_bytes(data)
    with pytest.raises(BadData, match=r"model\.gguf: its weight .* holds NaN or infinity; finite ones are legal"):
        convert(file, tmp_path / "model")


def words_of(what: Callable[[], object]) -> str:
    """What a BadData says; no text where there is none."""
    try:
        what()
    except BadData as e:
        return str(e)
    return ""


def test_any_damage_ends_in_words_or_in_a_whole_header(whole: Path, tmp_path: Path) -> None:
    """200 files with bytes changed, taken out or put in; some of those whose header is whole are converted."""
    data, rng, passed = whole.read_bytes(), random.Random(5), 0
    end = len(data) - 4 * read_header(whole).num_parameters
    file = tmp_path / "model.gguf"
    for _ in range(200):
        bad, at = bytearray(data), rng.randrange(end)
        kind = rng.randrange(4)
        if kind == 0:
            bad[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            bad[at : at + rng.choice((1, 4, 8))] = rng.randbytes(rng.choice((1, 4, 8)))
        elif kind == 2:
            del bad[at : at + rng.randint(1, 64)]
        else:
            del bad[rng.randrange(len(bad)) :]
        file.write_bytes(bad)
        if said := words_of(lambda: read_header(file)):
            assert WORDS.match(said), said
            continue
        passed += 1
        if passed <= 12:
            made = tmp_path / f"made-{passed}"
            said = words_of(partial(convert, file, made))
            assert "\n" not in said and bool(said) != (made / "config.json").is_file()
    assert 10 < passed < 190 and not list(tmp_path.glob(".*"))


def test_a_damaged_wheel_is_told_in_words(whole: Path, tmp_path: Path) -> None:
    made = wheel(tmp_path, a="GGUF" * 2000)
    data = bytearray(made.read_bytes())
    at = data.index(b"GGUFGGUF") + 4000
    data[at : at + 4] = b"GGUX"
    made.write_bytes(data)
    with pytest.raises(
        BadData, match=r"its wheel is damaged \(BadZipFile: Bad CRC-32 for file 'odd/a\.gguf'\); legal is a whole"
    ):
        from_package(str(made), tmp_path / "model")
    with zipfile.ZipFile(made, "a") as opened:
        assert opened.namelist()
    assert not (tmp_path / "model").exists()


def test_a_file_larger_than_the_machine_is_not_begun(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    with pytest.raises(
        BadData, match=r"numbers, which take 0\.0 GB of memory to convert; this machine has 0\.0 GB; use a larger"
    ):
        convert(whole, tmp_path / "model")
    assert torch.get_num_threads() and not list(tmp_path.iterdir())
