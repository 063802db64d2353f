"""The rule adapter: what its three rules add to next-token logits (Hewitt et al. 2024, section 6), for many rows at once.

Shape suffixes: B rows, T tokens so far (left-padded prompt and response), V vocabulary.
"""

import torch
from transformers import PreTrainedTokenizerBase

from winsweep.cell import Adapter
from winsweep.errors import BadStudy
from winsweep.frame import Frame

# As run; table 8 of the paper prints -3 for `What`, its listing and code have -5.
PAPER_TABLE = {"<": -4, " <": -4, "|": -4, " I": -5, "I": -5, " We": -3, "What": -5, " should": -6,
               " *": 1, " -": 1, "   ": 1, " #": 1, " ##": 1, "\n": 1, "!": 1}


class Rules:
    """A logits processor for one batch: call it once per step, with every token so far."""

    def __init__(self, adapter: Adapter, tokenizer: PreTrainedTokenizerBase, vocab: int, frame: Frame, prompt_BT: torch.Tensor,
                 mask_BT: torch.Tensor) -> None:
        self.adapter, self.eos, self.prompt_length = adapter, tokenizer.eos_token_id, prompt_BT.shape[1]
        table = table_of(adapter, tokenizer) if "uniform" in adapter.rules else {}
        self.bias_V = torch.zeros(vocab, device=prompt_BT.device)
        for piece, score in table.items():
            self.bias_V[piece] = score
        self.seen_BV = torch.zeros(len(prompt_BT), vocab, dtype=torch.bool, device=prompt_BT.device)
        if adapter.diversity_scope == "conversation":
            skip = len(tokenizer(f"{frame.user}\n")["input_ids"])  # up to the instruction, BOS included
            counted_BT = (mask_BT.cumsum(1) > skip) & mask_BT.bool()
            self.seen_BV.scatter_(1, torch.where(counted_BT, prompt_BT, prompt_BT[:, -1:]), True)

    def __call__(self, ids_BT: torch.Tensor, logits_BV: torch.Tensor) -> torch.Tensor:
        done = ids_BT.shape[1] - self.prompt_length
        if done:
            self.seen_BV.scatter_(1, ids_BT[:, -1:], True)
        logits_BV = logits_BV + self.bias_V
        if "eos" in self.adapter.rules:
            logits_BV[:, self.eos] += eos_bonus(self.adapter, done)
        if "diversity" in self.adapter.rules:
            logits_BV = logits_BV - self.adapter.diversity_penalty * self.seen_BV
        return logits_BV


def eos_bonus(adapter: Adapter, done: int) -> float:
    """What the first rule adds to EOS after `done` response tokens."""
    if done >= adapter.eos_window and adapter.eos_past_window == "zero":
        return 0.0
    return adapter.eos_bonus * done / adapter.eos_window


def table_of(adapter: Adapter, tokenizer: PreTrainedTokenizerBase) -> dict[int, float]:
    """Token id to what the second rule adds; BadStudy names a piece that the tokenizer does not have."""
    return {piece_id(piece, tokenizer): score for piece, score in (adapter.uniform or tuple(PAPER_TABLE.items()))}


def piece_id(piece: str, tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of a piece written as plain text, spaces as spaces, in a SentencePiece or a byte-level vocabulary."""
    vocab = tokenizer.get_vocab()
    spellings = [piece, piece.replace(" ", "▁"), piece.replace(" ", "Ġ").replace("\n", "Ċ"), "".join(f"<0x{b:02X}>" for b in piece.encode())]
    for spelling in spellings:
        if spelling in vocab:
            return vocab[spelling]
    raise BadStudy(f"adapter: the tokenizer has no piece {piece!r}; a piece must be one token of it; remove it from the table or spell it otherwise")
