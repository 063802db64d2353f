"""The rule adapter inside vLLM: which slot each request of the engine's batch has. For a vLLM of one's own, too:

    from winsweep.generate.vllm_rules import VllmRules, extra_args
    llm = LLM(model, logits_processors=[VllmRules], async_scheduling=False)
    llm.generate(prompts, SamplingParams(temperature=0, extra_args=extra_args(Adapter(rules=("eos", "uniform",
    "diversity")), Frame())))

Everything that decides a number is Slots, which is the same for every engine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor

from winsweep import keys
from winsweep.generate import vllm_rows
from winsweep.generate.rule_tokens import resolve
from winsweep.generate.slots import Slots
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text.model import load_tokenizer

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig

ARGUMENT = "winsweep_rules"


@dataclass
class Request:
    slots: Slots
    slot: int
    output: Sequence[int]
    num_seen: int


def extra_args(adapter: Adapter, frame: Frame) -> dict[str, object]:
    """What SamplingParams(extra_args=...) holds for a request under the rules; its prompt is
    frame.prompt(instruction).
    """
    return {ARGUMENT: {"adapter": keys.plain(adapter), "frame": keys.plain(frame)}}


class VllmRules(LogitsProcessor):
    """Adds the rules to the logits of the requests that ask for them; requests with equal adapters share one Slots."""

    @classmethod
    def validate_params(cls, params: "SamplingParams") -> None:
        _asked(params)

    def __init__(self, vllm_config: "VllmConfig", device: torch.device, is_pin_memory: bool) -> None:
        model = vllm_config.model_config
        self.tokenizer = load_tokenizer(model.tokenizer, model.tokenizer_revision)
        self.vocab, self.num, self.device = model.get_vocab_size(), vllm_config.scheduler_config.max_num_seqs, device
        self.groups: dict[tuple[Adapter, Frame], Slots] = {}
        self.requests: dict[int, Request] = {}  # by row of the batch

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        vllm_rows.follow(self.requests, batch_update, self._begin)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        for slots in self.groups.values():
            mine = {row: request for row, request in self.requests.items() if request.slots is slots}
            while late := [r for r in mine.values() if r.num_seen < len(r.output)]:
                self._push(slots, late)
            if mine:
                rows, of_slots = self._tensor(mine), self._tensor(r.slot for r in mine.values())
                logits[rows] = slots.apply(logits[rows], of_slots)
        return logits

    def _begin(self, params: "SamplingParams", prompt: list[int] | None, output: list[int]) -> Request | None:
        if (asked := _asked(params)) is None:
            return None
        if prompt is None:
            raise ValueError(
                f"{ARGUMENT}: found a prompt of embeddings; the rules need its token ids; send text or ids"
            )
        if asked not in self.groups:
            self.groups[asked] = Slots(resolve(asked[0], self.tokenizer, self.vocab, asked[1]), self.num, self.device)
        slots = self.groups[asked]
        taken = {request.slot for request in self.requests.values() if request.slots is slots}
        slot = next(i for i in range(self.num) if i not in taken)
        slots.fill(slot, [*prompt, *output])
        return Request(slots, slot, output, len(output))

    def _push(self, slots: Slots, late: list[Request]) -> None:
        tokens = [vllm_rows.next_token(request, ARGUMENT) for request in late]
        slots.push(self._tensor(tokens), self._tensor(request.slot for request in late))

    def _tensor(self, numbers: Iterable[int]) -> torch.Tensor:
        return torch.tensor(list(numbers), device=self.device)


def _asked(params: "SamplingParams") -> tuple[Adapter, Frame] | None:
    """The adapter and the frame of a request; ValueError for what is not what `extra_args` gives."""
    given = (params.extra_args or {}).get(ARGUMENT)
    if given is None:
        return None
    try:
        return keys.restore(Adapter, given["adapter"]), keys.restore(Frame, given["frame"])
    except (TypeError, KeyError, AttributeError) as e:
        legal = "legal is what winsweep.generate.vllm_rules.extra_args gives"
        raise ValueError(f"{ARGUMENT}: found {given!r} ({e}); {legal}; use it") from None
