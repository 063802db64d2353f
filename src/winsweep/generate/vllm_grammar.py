"""The mask of a grammar inside vLLM: what each request of its batch may write next. For a vLLM of one's own, too:

    from winsweep.generate.vllm_grammar import VllmGrammar, extra_args
    llm = LLM(model, logits_processors=[VllmGrammar], async_scheduling=False)
    eos = llm.get_tokenizer().eos_token_id
    params = SamplingParams(stop_token_ids=[eos], extra_args=extra_args(Grammar("regex", "Yes|No"), [eos]))

Behind VllmRules in the list, where both are there. Everything that decides is Mask, which is the same for every engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor

from winsweep import keys
from winsweep.generate import vllm_rows
from winsweep.generate.grammar import Mask
from winsweep.study.rules import Grammar
from winsweep.text.ends import Ends
from winsweep.text.model import load_tokenizer

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig

ARGUMENT = "winsweep_grammar"


@dataclass
class Request:
    mask: Mask
    state: Any  # an LLMatcher
    output: Sequence[int]
    num_seen: int


def extra_args(grammar: Grammar, ends: Sequence[int]) -> dict[str, object]:
    """What SamplingParams(extra_args=...) holds for a request under a grammar; `ends` are its stop_token_ids."""
    return {ARGUMENT: {"grammar": keys.plain(grammar), "ends": list(ends)}}


class VllmGrammar(LogitsProcessor):
    """Forbids what the grammar of a request does not allow; requests with equal grammars share one Mask."""

    @classmethod
    def validate_params(cls, params: "SamplingParams") -> None:
        _asked(params)

    def __init__(self, vllm_config: "VllmConfig", device: torch.device, is_pin_memory: bool) -> None:
        model = vllm_config.model_config
        self.base, self.revision, self.vocab = model.tokenizer, model.tokenizer_revision, model.get_vocab_size()
        self.masks: dict[tuple[Grammar, tuple[int, ...]], Mask] = {}
        self.requests: dict[int, Request] = {}  # by row of the batch

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        vllm_rows.follow(self.requests, batch_update, self._begin)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        for request in self.requests.values():
            while request.num_seen < len(request.output):
                request.mask.push(request.state, vllm_rows.next_token(request, ARGUMENT))
        for mask in self.masks.values():
            mine = {row: request.state for row, request in self.requests.items() if request.mask is mask}
            if mine:
                rows = torch.tensor(list(mine), device=logits.device)
                logits[rows] = mask.forbid(logits[rows], list(mine.values()))
        return logits

    def _begin(self, params: "SamplingParams", prompt: list[int] | None, output: list[int]) -> Request | None:
        if (asked := _asked(params)) is None:
            return None
        if asked not in self.masks:
            tokenizer = load_tokenizer(self.base, self.revision)
            self.masks[asked] = Mask(asked[0], tokenizer, self.vocab, Ends(asked[1]))
        mask = self.masks[asked]
        return Request(mask, mask.begin(output), output, len(output))


def _asked(params: "SamplingParams") -> tuple[Grammar, tuple[int, ...]] | None:
    """The grammar of a request and what ends it; ValueError for what is not what `extra_args` gives."""
    given = (params.extra_args or {}).get(ARGUMENT)
    if given is None:
        return None
    try:
        ends = tuple(int(token) for token in given["ends"])
        if not ends:
            raise TypeError("nothing ends an answer")
        return keys.restore(Grammar, given["grammar"]), ends
    except (TypeError, ValueError, KeyError, AttributeError) as e:
        legal = "legal is what winsweep.generate.vllm_grammar.extra_args gives"
        raise ValueError(f"{ARGUMENT}: found {given!r} ({e}); {legal}; use it") from None
