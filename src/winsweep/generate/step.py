"""One forward pass of a model's own modules: many prompts read, or one token written in each slot; as a CUDA graph on GPUs.

Shape suffixes: N slots in use, R rows of a prefill, T tokens, S places of a slot, H heads, D head size, V vocabulary.
"""

from collections.abc import Sequence

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from winsweep.generate.cache import PLACES, SlotCache

BY_LENGTH = "winsweep_by_length"


class Step:
    """A model with a slot cache. `paged` (GPUs, bf16): attention reads a slot no further than it is written, and steps are CUDA graphs."""

    def __init__(self, model: PreTrainedModel, paged: bool = False) -> None:
        self.model, self.paged, self.cache = model, paged, SlotCache(whole=paged)
        self.graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}
        model.set_attn_implementation(BY_LENGTH if paged else "sdpa")

    def prefill(self, rows: Sequence[Sequence[int]], first_slot: int) -> torch.Tensor:
        """Read `rows` into the slots from `first_slot` on, which have room for them: the logits (R, V) of what follows each.

        They are padded on the right, where causal attention cannot see it.
        """
        last_R = torch.tensor([len(ids) - 1 for ids in rows])
        ids_RT = torch.zeros(len(rows), int(last_R.max()) + 1, dtype=torch.long)
        for ids_T, ids in zip(ids_RT, rows):
            ids_T[: len(ids)] = torch.tensor(ids)
        read = DynamicCache()
        logits = self.model(input_ids=ids_RT.to(self.model.device), past_key_values=read, use_cache=True,
                            logits_to_keep=last_R[:, None].to(self.model.device)).logits
        self.cache.put(read, first_slot)
        return logits[:, 0]

    def write(self, tokens: Sequence[int], places: Sequence[int]) -> torch.Tensor:
        """Put a token at its place in each of the first N slots: the logits (N, V) of what follows; overwritten by the next call."""
        num = len(tokens)
        if not self.paged:
            both = torch.tensor([tokens, places], device=self.model.device)
            return self._forward(both[0], both[1], max(places) + 1)
        width = padded(num, self.cache.shape[0])
        key = (width, *self.cache.shape)
        if key not in self.graphs:
            self.graphs = {k: graph for k, graph in self.graphs.items() if k[1:] == key[1:]}  # the cache lies elsewhere now
            self.inputs = self.inputs if self.graphs else torch.zeros(2, self.cache.shape[0], dtype=torch.long, device=self.model.device)
            self.graphs[key] = self._capture(width)
        self.inputs[:, :num].copy_(torch.tensor([tokens, places]))
        self.inputs[:, num:width] = 0  # slots that nobody uses
        graph, logits_NV = self.graphs[key]
        graph.replay()
        return logits_NV[:num]

    def _capture(self, width: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        def forward() -> torch.Tensor:
            return self._forward(*self.inputs[:, :width], self.cache.shape[1])

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries choose their kernels, which must not be recorded
            for _ in range(2):
                forward()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits_NV = forward()
        return graph, logits_NV

    def _forward(self, tokens_N: torch.Tensor, places_N: torch.Tensor, end: int) -> torch.Tensor:
        self.cache.look(places_N, end)
        # A mask of four dimensions goes to the layers as it is. The paged kernel wants lengths instead, so there it is those.
        mask = (places_N + 1).int()[:, None, None, None] if self.paged else self._mask(places_N, end)
        return self.model(input_ids=tokens_N[:, None], position_ids=places_N[:, None], attention_mask=mask, past_key_values=self.cache,
                          use_cache=True, logits_to_keep=1).logits[:, -1]

    def _mask(self, places_N: torch.Tensor, end: int) -> torch.Tensor:
        seen_NS = torch.arange(end, device=places_N.device) <= places_N[:, None]
        return torch.zeros_like(seen_NS, dtype=self.model.dtype).masked_fill_(~seen_NS, float("-inf"))[:, None, None]


def padded(num: int, most: int) -> int:
    """The width of the graph for `num` slots: `most`, or a half, a quarter … of it, so that few are captured."""
    while most > 1 and num <= most // 2:
        most //= 2
    return most


def attend_by_length(module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor | None,
                     scaling: float | None = None, dropout: float = 0.0, **options: object) -> tuple[torch.Tensor, None]:
    """Attention of one token (N, H, 1, D) to the first `lengths` places of its slot (N, H, S, D); of a prefill, causal.

    ValueError for a layer that wants more than that (a window, a cap of its scores).
    """
    if strange := [name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if options.get(name) is not None]:
        raise ValueError(f"a layer wants {strange[0]}, which attention by length does not have")
    if query.shape[2] > 1:
        return sdpa_attention_forward(module, query, key, value, None, dropout, scaling, **options)
    num, _, places, _ = key.shape
    pages = [x.transpose(1, 2).reshape(num * places // PLACES, PLACES, *x.shape[1::2]) for x in (key, value)]
    table = torch.arange(len(pages[0]), dtype=torch.int32, device=key.device).view(num, -1)
    starts = torch.arange(num + 1, dtype=torch.int32, device=key.device)
    # One split: then a row is summed in the same order whatever its company.
    out_NHD = varlen_attn(query[:, :, 0].contiguous(), *pages, starts, None, 1, places, scale=scaling, enable_gqa=query.shape[1] != key.shape[1],
                          seqused_k=lengths.flatten(), block_table=table, num_splits=1)
    return out_NHD[:, None], None


AttentionInterface.register(BY_LENGTH, attend_by_length)
