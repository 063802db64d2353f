"""How a vocabulary spells what the rule adapter speaks of: plain tokens of text, speaker tags, the first letter of
every token.

Shape suffix: V vocabulary.
"""

from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from winsweep.errors import BadStudy
from winsweep.study.frame import Frame
from winsweep.study.rules import UNIFORM, Adapter
from winsweep.text.special_tokens import controls_of

PUNCTUATION = set(".,:;!?<>[]{}()\"'`~@#$%^&*-=+\\|/")
# Cyrillic, kana, Han, Hangul
CASELESS = (("\u0400", "\u04ff"), ("\u3040", "\u30ff"), ("\u4e00", "\u9fff"), ("\uac00", "\ud7af"))
TAG_TOKENS = 5  # as run: a tag is known by its last five tokens


@dataclass(frozen=True)
class Resolved:
    """An adapter's rules in the ids of one tokenizer; scores are natural-log units added to logits."""

    adapter: Adapter
    uniform_V: torch.Tensor  # float32; zero where the rule is off
    first_V: torch.Tensor | None  # what the rule `start` adds to the first token of a response
    exclamation: int  # which the rule `start` raises as the second token; -1 where it is off
    newline: int  # which it lowers as the third; -1 where it is off
    user: tuple[int, ...]  # the end of a user tag's line, and of an assistant tag's
    assistant: tuple[int, ...]
    eos: int
    pad: int


def resolve(adapter: Adapter, tokenizer: PreTrainedTokenizerBase, vocab: int, frame: Frame) -> Resolved:
    """The adapter for a model of `vocab` logits; BadStudy names a token that the tokenizer lacks, or tags that it
    cannot tell apart.
    """
    uniform_V = torch.zeros(vocab)
    for token, score in table_of(adapter, tokenizer).items() if "uniform" in adapter.rules else ():
        uniform_V[token] = score
    user, assistant = tag_ids(frame.user, tokenizer), tag_ids(frame.assistant, tokenizer)
    if user == assistant:
        raise BadStudy(
            f"frame: found tags that end alike, {frame.user!r} and {frame.assistant!r}; the rules know a tag by its "
            f"last "
            f"{TAG_TOKENS} tokens; use tags that differ there"
        )
    start, eos = "start" in adapter.rules, tokenizer.eos_token_id
    return Resolved(
        adapter,
        uniform_V,
        first_token_scores(tokenizer, vocab) if start else None,
        token_id("!", tokenizer) if start else -1,
        token_id("\n", tokenizer) if start else -1,
        user,
        assistant,
        eos,
        eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
    )


def table_of(adapter: Adapter, tokenizer: PreTrainedTokenizerBase) -> dict[int, float]:
    """Token id to what the rule `uniform` adds; BadStudy names a token that the tokenizer does not have."""
    return {token_id(token, tokenizer): score for token, score in (adapter.uniform or tuple(UNIFORM.items()))}


def token_id(token: str, tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of a token written as plain text, spaces as spaces, in a SentencePiece or a byte-level vocabulary."""
    vocab = tokenizer.get_vocab()
    as_bytes = "".join(f"<0x{b:02X}>" for b in token.encode())
    for spelling in (token, token.replace(" ", "▁"), token.replace(" ", "Ġ").replace("\n", "Ċ"), as_bytes):
        if spelling in vocab:
            return vocab[spelling]
    raise BadStudy(
        f"adapter: the tokenizer has no token {token!r}; it must have the text as one token; "
        "remove it from the table (uniform: {PIECE: SCORE, …}) or spell it otherwise"
    )


def tag_ids(tag: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The last tokens of a tag's line, of those that are the same at the start of a text and within it; BadStudy where
    there are none.
    """
    alone, within, other = (controls_of(tokenizer).ids(text, True) for text in (f"{tag}\n", f"x\n{tag}\n", "x\n"))
    same = 0
    while same < min(len(alone), len(within)) and alone[-1 - same] == within[-1 - same]:
        same += 1
    ids = tuple(alone[len(alone) - same :][-TAG_TOKENS:])
    if not ids or tuple(other[-len(ids) :]) == ids:
        raise BadStudy(
            f"frame: the tag {tag!r} has no tokens of its own in this tokenizer; use a tag with a character besides "
            f"spaces"
        )
    return ids


def first_token_scores(tokenizer: PreTrainedTokenizerBase, vocab: int) -> torch.Tensor:
    """What the rule `start` adds to a response's first token: 50 for ` Okay`, -15 for `I`, 5 for letters, -5 for
    punctuation.

    As in the paper's code a token is judged by its first character as the vocabulary spells it, less its mark of a
    leading space, so that `</s>` and `<0x0A>` count as punctuation; byte-level tokens, whose spelling is a cipher, are
    decoded.
    """
    tokens, scores_V = tokenizer.get_vocab(), torch.zeros(vocab)
    byte_level = "▁" not in tokens  # Llama-2's vocabulary has the letter Ġ, too
    for token, i in tokens.items():
        if i < vocab:
            text = (
                tokenizer.convert_tokens_to_string([token]).removeprefix(" ") if byte_level else token.removeprefix("▁")
            )
            scores_V[i] = _first_score(text)
    scores_V[token_id(" Okay", tokenizer)] = 50.0
    return scores_V


def _first_score(text: str) -> float:
    if not text or text == "I":
        return -15.0 if text else 0.0
    first = text[0]
    if first.isupper() or first.islower() or any(low <= first <= high for low, high in CASELESS):
        return 5.0
    return -5.0 if first in PUNCTUATION else 0.0
