"""A grammar as a mask over next tokens: what an answer may go on with. The only file that imports llguidance.

Shape suffixes: N rows, V vocabulary, W words of 32 bits that hold a bit for each token.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from winsweep.errors import BadStudy
from winsweep.generate.grammar_words import of_tokens, refuse_stops, shown
from winsweep.study.rules import Grammar

if TYPE_CHECKING:
    import numpy as np
    import torch
    from llguidance import LLMatcher, LLTokenizer
    from llguidance._lib import JsonCompileOptions
    from transformers import PreTrainedTokenizerBase

    from winsweep.text.ends import Ends

Outcome = Literal["whole", "cut", "dead end"]  # a text of the grammar, or why not
# A schema leaves white space open. Left to choose, a small model may write blanks without end.
JSON_LAYOUT: "JsonCompileOptions" = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
CLOSERS = b'"}])'
BYTES = "byte"  # llguidance's vocabulary of single bytes
NUM_PROBED = 8  # bytes that a grammar is followed for
MOST_TRY_S = 5  # of a processor, for finding one answer


def fault(grammar: Grammar) -> str:
    """Why a grammar cannot be used with any tokenizer; empty where it can. For a person to read: one line, cut."""
    from llguidance import LLMatcher, LLTokenizer

    if grammar.kind == "lark" and (found := of_tokens(grammar.text)):
        return f"{found} speaks of tokens, which an answer's text does not show"
    try:
        is_wrong, said = LLMatcher.validate_grammar_with_warnings(_source(grammar), LLTokenizer(BYTES))
    except ValueError as e:
        is_wrong, said = True, [str(e)]
    if is_wrong:
        return shown(said[0])
    end, matcher = LLTokenizer(BYTES).eos_token, _matcher(grammar, LLTokenizer(BYTES))
    written: list[int] = []
    while len(written) < NUM_PROBED:  # some limits of the library are met at the first bytes alone
        may_follow = [token for token in _legal(matcher) if token != end]
        if (found := _given_up(matcher)) or not may_follow:
            break
        written += may_follow[:1]
        matcher.consume_token(written[-1])
    if written or may_follow or found:
        return found
    return "only the empty text belongs to it" if matcher.is_accepting() else "no text belongs to it"


class Accepts:
    """Whether a text belongs to a grammar, whatever the tokens that wrote it."""

    def __init__(self, grammar: Grammar) -> None:
        from llguidance import LLTokenizer

        self.begun = _matcher(grammar, LLTokenizer(BYTES))

    def __call__(self, text: str) -> bool:
        matcher = self.begun.deep_copy()
        return bool(matcher.consume_tokens(list(text.encode()))) and matcher.is_accepting()


def outcomes(grammar: Grammar, answers: Iterable[tuple[str, bool]]) -> list[Outcome]:
    """How answers (a text, and whether the limit of new tokens cut it) ended under a grammar."""
    accepts = Accepts(grammar)
    return ["whole" if accepts(text) else "cut" if is_cut else "dead end" for text, is_cut in answers]


class Mask:
    """The tokens that each row may write next under one grammar, for a model of `vocab` logits.

    What ends an answer is legal exactly where the answer so far belongs to the grammar. Where nothing is legal, because
    the tokenizer cannot write what the grammar wants, the first of `ends` is: a dead end, which Accepts tells from an
    answer. BadStudy for a tokenizer that llguidance cannot read, and for texts that end an answer.
    """

    def __init__(self, grammar: Grammar, tokenizer: "PreTrainedTokenizerBase", vocab: int, ends: "Ends") -> None:
        import numpy as np
        import torch
        from llguidance import LLExecutor

        refuse_stops(ends.texts)
        self.tokens = _vocabulary(tokenizer, vocab, ends.ids)
        self.vocab, self.ends, self.words = vocab, ends.ids, -(-self.tokens.vocab_size // 32)
        known = np.arange(self.vocab // 32 * 32, self.words * 32) < vocab
        self.last_W = np.packbits(known, bitorder="little").view(np.int32)  # from word vocab // 32 on
        self.begun = _matcher(grammar, self.tokens)
        if self.begun.is_error():
            raise BadStudy(f"grammar: {shown(self.begun.get_error())}; with this tokenizer it is not legal; change it")
        self.executor = LLExecutor(torch.get_num_threads())

    def begin(self, new: Sequence[int] = ()) -> "LLMatcher":
        """The state of a row that has written `new`."""
        matcher = self.begun.deep_copy()
        matcher.consume_tokens(list(new))
        return matcher

    def push(self, matcher: "LLMatcher", token: int) -> None:
        """A row has written `token`; after what ends an answer nothing is asked of it."""
        if token not in self.ends:
            matcher.consume_token(token)

    def choose(self, logits_NV: "torch.Tensor", states: Sequence["LLMatcher"]) -> "torch.Tensor":
        """(N) the likeliest legal token of each row.

        Where the likeliest of all is legal it is that one, and the row's mask is not spread over the vocabulary.
        """
        import numpy as np
        import torch

        bits_NW, likeliest_N = self._bits(states), logits_NV.argmax(1)
        chosen_N = likeliest_N.cpu().numpy()
        is_off_N = bits_NW[np.arange(len(states)), chosen_N // 32] >> (chosen_N % 32) & 1 == 0
        if not is_off_N.any():
            return likeliest_N
        off_K = is_off_N.nonzero()[0]
        rows, words = bits_NW[off_K].nonzero()  # only words that hold a legal token are spread
        at, bit = np.unpackbits(
            bits_NW[off_K[rows], words][:, None].view(np.uint8), axis=1, bitorder="little"
        ).nonzero()
        rows, tokens = rows[at], words[at] * 32 + bit
        values = logits_NV[torch.from_numpy(off_K[rows]), torch.from_numpy(tokens)].cpu().numpy()
        begins = np.searchsorted(rows, np.arange(len(off_K) + 1))
        for row, begin, end in zip(off_K, begins, begins[1:]):
            chosen_N[row] = tokens[begin + values[begin:end].argmax()]
        return torch.from_numpy(chosen_N).to(logits_NV.device)

    def forbid(self, logits_NV: "torch.Tensor", states: Sequence["LLMatcher"]) -> "torch.Tensor":
        """A copy that is -inf where a token is not legal."""
        import torch

        legal_NV = torch.from_numpy(self._spread(self._bits(states))).to(logits_NV.device)
        return logits_NV.masked_fill(~legal_NV, float("-inf"))

    def _bits(self, states: Sequence["LLMatcher"]) -> "np.ndarray":
        """(N, W) int32, at least one bit of each row set."""
        import numpy as np

        bits_NW = np.zeros((len(states), self.words), dtype=np.int32)
        self.executor.unsafe_compute_mask_ptr(
            [(state, n) for n, state in enumerate(states)], bits_NW.ctypes.data, self.words * 4, len(states)
        )
        if self.words * 32 > self.vocab:  # a tokenizer may have tokens that the model has not
            bits_NW[:, self.vocab // 32 :] &= self.last_W
        bits_NW[~bits_NW.any(1), self.ends[0] // 32] = np.uint32(1 << self.ends[0] % 32).view(np.int32)
        return bits_NW

    def _spread(self, bits_NW: "np.ndarray") -> "np.ndarray":
        """(N, V) bool."""
        import numpy as np

        return np.unpackbits(bits_NW.view(np.uint8), axis=1, count=self.vocab, bitorder="little").view(np.bool_)

    def can_end(self, num_masks: int = 400) -> bool | None:
        """Whether some answer of this tokenizer belongs to the grammar; None if `num_masks` masks or MOST_TRY_S do not
        show it.

        Depth first; at each step tokens of one byte before longer ones, those that were taken least, and what closes
        something.
        """
        begun, taken, gave_up = time.process_time(), Counter[int](), False
        open_states = [(self.begun, self._next(self.begun, taken))]
        for _ in range(num_masks):
            while open_states and not open_states[-1][1]:
                open_states.pop()
            if not open_states:
                return None if gave_up else False
            if time.process_time() - begun > MOST_TRY_S:
                return None
            matcher, left = open_states[-1]
            if matcher.is_accepting():
                return True
            taken[left[-1]] += 1
            after = matcher.deep_copy()
            after.consume_token(left.pop())
            open_states.append((after, self._next(after, taken)))
            gave_up = gave_up or "lexer error" in _given_up(after)  # a limit of the library, and no dead end
        return None

    def _next(self, matcher: "LLMatcher", taken: Counter[int]) -> list[int]:
        """The tokens that may follow, the first to be tried last; none at a dead end."""
        found = [token for token in _legal(matcher) if token < self.vocab]
        if matcher.is_stopped() and not matcher.is_accepting():
            return []
        short = [token for token in found if token in self._single_bytes]
        times = self._single_bytes
        short.sort(key=lambda token: (-(taken[token] // times[token]), times[token]))
        return [token for token in found if token not in self._single_bytes] + short

    @cached_property
    def _single_bytes(self) -> dict[int, int]:
        """Tokens of one byte, and how often each may be taken for one time of another."""
        spelled = ((token, self.tokens.decode_bytes([token])) for token in range(self.vocab))
        return {token: 20 if text in CLOSERS else 1 for token, text in spelled if len(text) == 1}


def _matcher(grammar: Grammar, tokens: "LLTokenizer") -> "LLMatcher":
    from llguidance import LLMatcher

    return LLMatcher(tokens, _source(grammar), log_level=0)


def _source(grammar: Grammar) -> str:
    from llguidance import LLMatcher

    if grammar.kind == "json_schema":
        return LLMatcher.grammar_from_json_schema(grammar.text, defaults=JSON_LAYOUT)
    return (LLMatcher.grammar_from_regex if grammar.kind == "regex" else LLMatcher.grammar_from_lark)(grammar.text)


def _vocabulary(tokenizer: "PreTrainedTokenizerBase", vocab: int, ends: Sequence[int]) -> "LLTokenizer":
    """The bytes that each token writes, and which end an answer; BadStudy where llguidance cannot tell."""
    from llguidance.hf import from_tokenizer

    try:
        return from_tokenizer(tokenizer, max(vocab, len(tokenizer)), eos_token=list(ends))
    except Exception as e:  # of a file of others, whatever it holds
        raise BadStudy(
            f"grammar: the tokenizer {type(tokenizer).__name__} cannot write under one ({shown(str(e))}); "
            "legal is one with a tokenizer.json; take the grammar out, or use another model"
        ) from e


def _given_up(matcher: "LLMatcher") -> str:
    """Why the library cannot go on; empty where it can, or is at a dead end."""
    said = matcher.get_error() if matcher.is_error() else ""
    return "" if said.startswith("NoExtension") else shown(said)


def _legal(matcher: "LLMatcher") -> list[int]:
    import numpy as np

    bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
    return np.unpackbits(bits, bitorder="little").nonzero()[0].tolist()
