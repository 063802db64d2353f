"""Where a pretrained toy's pieces come from: byte-level BPE learnt on its corpus, or a tokenizer that exists already.

Either way a newline is a piece of its own, so the pieces of a text that ends in one begin the pieces of every longer
text; and as with Llama's own tokenizer a text starts with BOS and never ends with an EOS that is not written in it.
"""

from collections.abc import Iterable
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from winsweep.errors import BadStudy

PAD, BOS, EOS = "<pad>", "<s>", "</s>"  # ids 0, 1, 2


def learn(texts: Iterable[str], vocab: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `vocab` pieces; fewer where the texts do not hold as many."""
    backend = Tokenizer(models.BPE())
    newline_alone = pre_tokenizers.Split(Regex("\n"), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([newline_alone, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return _wrap(backend, PAD)


def load(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a Hugging Face directory as it is, or of a SentencePiece file (Llama-2's tokenizer.model) with BOS."""
    if path.is_dir():
        return AutoTokenizer.from_pretrained(path)
    if not path.is_file():
        raise BadStudy(f"tokenizer: found {path}; legal is a Hugging Face directory or a SentencePiece .model file; type its path")
    return _wrap(_from_sentencepiece(path), None)


def _wrap(backend: Tokenizer, pad: str | None) -> PreTrainedTokenizerFast:
    bos_id = backend.token_to_id(BOS)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, bos_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=pad, bos_token=BOS, eos_token=EOS, padding_side="left", clean_up_tokenization_spaces=False
    )


def _from_sentencepiece(path: Path) -> Tokenizer:
    """The same ids as SentencePiece's BPE: pairs merge in the order of the pieces' scores, and each stretch of text starts with a space.

    transformers' own conversion orders merges by id, but Llama-2's runs of spaces have low ids and the lowest score.
    """
    pieces = SentencePieceProcessor(model_file=str(path))
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    ranked = sorted((p for p in vocab if len(p) > 1), key=lambda p: (-pieces.get_score(vocab[p]), vocab[p]))
    merges = [pair for piece in ranked for pair in _pairs(piece, vocab)]
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)]
    )
    backend.add_special_tokens(["<unk>", BOS, EOS])
    return backend


def _pairs(piece: str, vocab: dict[str, int]) -> list[tuple[str, str]]:
    cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
    return sorted((c for c in cuts if c[0] in vocab and c[1] in vocab), key=lambda c: (vocab[c[0]], vocab[c[1]]))
