"""How a tokenizer cuts text by its own files, whatever a version of transformers makes of its class."""

import json
from pathlib import Path

from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import cached_file

BOS, EOS = "<s>", "</s>"
PARTS = ("normalizer", "pre_tokenizer", "decoder")
BPE = 2  # model_type of a SentencePiece file


def as_published(tokenizer: PreTrainedTokenizerBase, base: str, revision: str | None) -> PreTrainedTokenizerBase:
    """The tokenizer of the model `base` with the normalizer, pre-tokenizer and decoder of its own tokenizer.json; of
    Llama-2's kind of SentencePiece file, where that is all there is, with its merges.

    transformers 5 builds those of some classes anew: Llama-2's then no longer begins each stretch of text with a space
    (a token less behind each inner EOS), and orders merges by id, which is not the order of their scores.
    """
    backend, file = getattr(tokenizer, "backend_tokenizer", None), _file(base, revision, "tokenizer.json")
    if backend is None:
        return tokenizer
    if file:
        _take(backend, Tokenizer.from_file(str(file)))
        return tokenizer
    file = _file(base, revision, "tokenizer.model")
    if not file or not _is_llama_2_s_kind(file):
        return tokenizer
    if not _file(base, revision, "tokenizer_config.json"):
        return wrap(from_sentencepiece(file), None)
    ours = from_sentencepiece(file)
    backend.model = ours.model
    _take(backend, ours)
    return tokenizer


def _take(backend: Tokenizer, own: Tokenizer) -> None:
    said, meant = (json.loads(each.to_str()) for each in (backend, own))
    for part in PARTS:
        if _plain(said[part]) != _plain(meant[part]):
            setattr(backend, part, getattr(own, part))


def _plain(value: object) -> object:
    """A part of a tokenizer without what its tokenizer_config.json decides."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items() if name not in ("add_prefix_space", "trim_offsets")}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _file(base: str, revision: str | None, name: str) -> Path | None:
    """A file of the model, from its directory or the hub's cache; None where it has none."""
    if Path(base).is_dir():
        return path if (path := Path(base) / name).is_file() else None
    found = cached_file(
        base,
        name,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None


def _is_llama_2_s_kind(file: Path) -> bool:
    """Whether a SentencePiece file is one of byte-pair pieces with a fallback to bytes, of texts that begin with a
    space.
    """
    said = sentencepiece_model_pb2.ModelProto()
    said.ParseFromString(file.read_bytes())
    trained, normalized = said.trainer_spec, said.normalizer_spec
    return (
        trained.model_type == BPE
        and trained.byte_fallback
        and normalized.add_dummy_prefix
        and not normalized.remove_extra_whitespaces
        and normalized.name == "identity"
        and not normalized.precompiled_charsmap
    )


def wrap(backend: Tokenizer, pad: str | None) -> PreTrainedTokenizerFast:
    """A tokenizer whose texts begin with BOS, and end with no EOS that is not written in them."""
    bos_id = backend.token_to_id(BOS)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, bos_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=pad,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def from_sentencepiece(path: Path) -> Tokenizer:
    """The same ids as SentencePiece's BPE: pairs merge in the order of the tokens' scores, and each stretch of text
    starts with a space.

    transformers' own conversion orders merges by id, but Llama-2's runs of spaces have low ids and the lowest score.
    """
    pieces = SentencePieceProcessor(model_file=str(path))
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    ranked = sorted((p for p in vocab if len(p) > 1), key=lambda p: (-pieces.get_score(vocab[p]), vocab[p]))
    merges = [pair for token in ranked for pair in _pairs(token, vocab)]
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    backend.add_special_tokens(["<unk>", BOS, EOS])
    return backend


def _pairs(token: str, vocab: dict[str, int]) -> list[tuple[str, str]]:
    cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
    return sorted((c for c in cuts if c[0] in vocab and c[1] in vocab), key=lambda c: (vocab[c[0]], vocab[c[1]]))
