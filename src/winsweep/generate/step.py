"""One forward pass of a model's own modules over a slot cache: prompts are read, or one token is written in each slot.

Shape suffixes: N slots in use, R prompts, T tokens of all of them, V vocabulary.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from transformers import DynamicCache, PreTrainedModel

from winsweep.generate import packed_linear
from winsweep.generate.attention import BY_LENGTH, as_mask
from winsweep.generate.kv_cache import SlotCache
from winsweep.text.cache_name import with_cache


class Step:
    """A model with a slot cache. With `graphs` (GPUs) a step of writing is recorded once for each width and then
    replayed.
    """

    def __init__(self, model: PreTrainedModel, graphs: bool = False) -> None:
        self.model, self.device, self.cache = model, model.device, SlotCache()
        self.graphs = graphs
        self.recorded: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}
        self.inputs = torch.zeros(2, 0, dtype=torch.long, device=model.device)
        self.packed = packed_linear.packed(model)
        model.set_attn_implementation(BY_LENGTH)

    def read(self, prompts: Sequence[Sequence[int]], first_slot: int) -> torch.Tensor:
        """Put prompts into the slots from `first_slot` on, which have room for them: the logits (R, V) of what follows
        each.
        """
        lengths = [len(ids) for ids in prompts]
        ends_R = torch.tensor(list(accumulate(lengths)), device=self.device)
        ids_T = torch.tensor([i for ids in prompts for i in ids], device=self.device)
        places_T = torch.tensor([i for n in lengths for i in range(n)], device=self.device)
        read = DynamicCache()
        logits = self.model(
            input_ids=ids_T[None],
            position_ids=places_T[None],
            attention_mask=as_mask(lengths, self.device),
            **with_cache(self.model, read),
            use_cache=True,
            logits_to_keep=ends_R - 1,
        ).logits
        self.cache.put(read, lengths, first_slot)
        return logits[0]

    def write(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """Put a token at its place in each of the first N slots: the logits (N, V) of what follows; the next call may
        overwrite them.
        """
        given = torch.tensor([tokens, positions])
        if not self.graphs:
            with packed_linear.used(self.packed):
                return self._forward(*given.to(self.device))
        width = padded(len(tokens), self.cache.shape[0])
        if len(self.inputs[0]) != self.cache.shape[0]:
            self.inputs = given.new_zeros(2, self.cache.shape[0], device=self.device)
        self.inputs[:, : len(tokens)].copy_(given)
        self.inputs[:, len(tokens) : width] = 0  # slots that nobody uses
        if (key := (width, *self.cache.shape)) not in self.recorded:
            self._record(key)
        graph, logits_NV = self.recorded[key]
        graph.replay()
        return logits_NV[: len(tokens)]

    def _forward(self, tokens_N: torch.Tensor, indices_N: torch.Tensor) -> torch.Tensor:
        self.cache.look(indices_N)
        lengths = (indices_N + 1).int()[:, None, None, None]
        return self.model(
            input_ids=tokens_N[:, None],
            position_ids=indices_N[:, None],
            attention_mask=lengths,
            **with_cache(self.model, self.cache),
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _record(self, key: tuple[int, ...]) -> None:
        """A graph of `key` = (width, *shape of the cache); those of another shape know memory that is gone.

        What is run to record it writes into the cache: the inputs are those of the step that follows, which writes the
        same again.
        """
        self.recorded = {other: held for other, held in self.recorded.items() if other[1:] == key[1:]}
        inputs = self.inputs[:, : key[0]]
        self.recorded[key] = record(lambda: self._forward(*inputs))


def record(do: Callable[[], torch.Tensor]) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
    """A graph that does `do` again whenever it is replayed, and the tensor that its result is then in; `do` is done
    twice before, as libraries choose their kernels in the first passes, which must not be recorded.
    """
    side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        do()
        do()
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(graph):
        result = do()
    return graph, result


def padded(num: int, most: int) -> int:
    """The width of the graph for `num` slots: `most`, or a half, a quarter … of it, so that few are recorded."""
    while most > 1 and num <= most // 2:
        most //= 2
    return most
