"""Where a pretrained toy's tokens come from: byte-level BPE learnt on its corpus, or a tokenizer that exists already.

Either way a newline is a token of its own, so the tokens of a text that ends in one begin the tokens of every longer
text; and as with Llama's own tokenizer a text starts with BOS and never ends with an EOS that is not written in it.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from winsweep.errors import BadStudy
from winsweep.text.backend import BOS, EOS, as_published, from_sentencepiece, wrap

PAD = "<pad>"  # id 0; BOS and EOS have 1 and 2


def learn(texts: Iterable[str], vocab: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `vocab` tokens; fewer where the texts do not hold as many."""
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
    return wrap(backend, PAD)


def load(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a Hugging Face directory as it is, or of a SentencePiece file (Llama-2's tokenizer.model) with
    BOS.
    """
    if path.is_dir():
        return as_published(AutoTokenizer.from_pretrained(path, trust_remote_code=False), str(path), None)
    if not path.is_file():
        raise BadStudy(
            f"tokenizer: found {path}; legal is a Hugging Face directory or a SentencePiece .model file; type its path"
        )
    return wrap(from_sentencepiece(path), None)
