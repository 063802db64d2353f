"""The loss of an example: the mean of its tokens as the paper's runs have it, or their sum as its equations 1 and 2 do.

B examples of a micro-batch, T tokens of the longest, K positions whose next token counts for some example, N = B·K, V
vocabulary; Q tokens of packed examples, one after the other in a single row.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from winsweep.text.encode import MASKED, Example
from winsweep.train import varlen
from winsweep.train.nll import nll

# stands in for an empty micro-batch: it is computed, and its loss and gradient are exactly 0
NOTHING = Example([0], [MASKED])


class Batch(NamedTuple):
    """Examples padded on the right; `present_BT` is 1 where a token is real."""

    ids_BT: Tensor
    present_BT: Tensor
    labels_BT: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


def collate(examples: Sequence[Example]) -> Batch:
    """The examples as one Batch; no examples become one row that counts for nothing."""
    rows = list(examples) or [NOTHING]
    width = max(len(row.ids) for row in rows)
    return Batch(
        torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows]),
        torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows]),
        torch.tensor([row.labels + [MASKED] * (width - len(row.ids)) for row in rows]),
    )


class Packed(NamedTuple):
    """Examples packed into one row; position kept_K predicts targets_K, and counts weights_K in the sum of the
    examples' losses.
    """

    ids_1Q: Tensor
    kept_K: Tensor
    targets_K: Tensor
    weights_K: Tensor
    lengths: list[int]

    def to(self, device: torch.device) -> "Packed":
        ids_1Q, kept_K, targets_K, weights_K = (tensor.to(device, non_blocking=True) for tensor in self[:-1])
        return Packed(ids_1Q, kept_K, targets_K, weights_K, self.lengths)


def pack(examples: Sequence[Example], kind: str = "example_mean") -> Packed:
    """The examples as one Packed; where nothing counts, one position does with weight 0."""
    rows = list(examples) or [NOTHING]
    kept, targets, weights, begin = [], [], [], 0
    for row in rows:
        counted = [at for at in range(1, len(row.ids)) if row.labels[at] != MASKED]
        kept += [begin + at - 1 for at in counted]
        targets += [row.labels[at] for at in counted]
        weights += [1.0 if kind == "example_sum" else 1.0 / max(1, len(counted))] * len(counted)
        begin += len(row.ids)
    some = (kept, targets, weights) if kept else ([0], [0], [0.0])
    ids = [i for row in rows for i in row.ids]
    kept_K, targets_K, weights_K = (
        torch.tensor(some[0]),
        torch.tensor(some[1]),
        torch.tensor(some[2], dtype=torch.float64),
    )
    return Packed(torch.tensor([ids]), kept_K, targets_K, weights_K, [len(row.ids) for row in rows])


def packed_loss(model: Callable, batch: Packed) -> Tensor:
    """The sum of the packed examples' losses: a scalar of which each token's share, and so the gradient, is as if it
    stood alone.
    """
    told = varlen.inputs(batch.lengths, batch.ids_1Q.device)
    logits_KV = model(input_ids=batch.ids_1Q, logits_to_keep=batch.kept_K, use_cache=False, **told).logits[0]
    if len(logits_KV) != len(batch.kept_K):  # a model that ignores logits_to_keep
        logits_KV = logits_KV[batch.kept_K]
    nll_K = nll(logits_KV, batch.targets_K)
    return (nll_K * batch.weights_K.to(nll_K.dtype)).sum()


def summed_loss(model: Callable, batch: Batch | Packed, kind: str) -> Tensor:
    """The sum of the losses of the batch's examples."""
    return packed_loss(model, batch) if isinstance(batch, Packed) else example_losses(model, batch, kind).sum()


def num_targets(example: Example) -> int:
    """Tokens of the example that the loss predicts; the first token is never predicted."""
    return sum(label != MASKED for label in example.labels[1:])


def example_losses(model: Callable, batch: Batch, kind: str = "example_mean") -> Tensor:
    """Negative log likelihood, in nats, of each example's counted tokens, their mean or ("example_sum") their sum:
    float32 (B,).

    0 for an example without any. The vocabulary is only projected at the K positions that count (a saving of most of
    the memory where prompts are long).
    """
    targets_BT = F.pad(batch.labels_BT[:, 1:], (0, 1), value=MASKED)
    counted_BT = targets_BT != MASKED
    kept_K = counted_BT.any(0).nonzero()[:, 0]
    kept_K = kept_K if len(kept_K) else torch.zeros(1, dtype=torch.long, device=targets_BT.device)
    logits_BKV = model(
        input_ids=batch.ids_BT, attention_mask=batch.present_BT, logits_to_keep=kept_K, use_cache=False
    ).logits
    if logits_BKV.shape[1] != len(kept_K):  # a model that ignores logits_to_keep
        logits_BKV = logits_BKV[:, kept_K]
    targets_BK = targets_BT[:, kept_K]
    nll_N = F.cross_entropy(
        logits_BKV.float().flatten(0, 1), targets_BK.flatten(), ignore_index=MASKED, reduction="none"
    )
    sums_B = nll_N.view_as(targets_BK).sum(1)
    return sums_B if kind == "example_sum" else sums_B / counted_BT.sum(1).clamp(min=1)
