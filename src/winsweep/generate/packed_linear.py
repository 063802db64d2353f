"""Linear layers on a CPU with their weights in the layout that oneDNN multiplies few rows by: half the time or less, as
the plain product lays out all weights anew in every step.

Sums are added in another order, so products differ by rounding. The weights are held a second time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.nn.functional import linear
from transformers import PreTrainedModel

# bytes of a model's weights: of fewer a core's cache holds enough, and more are not held twice
LEAST, MOST = 200 << 20, 4 << 30
NUM_ROWS = 32  # for which the layout is chosen
MOST_ROWS = 256  # of more, as where prompts are read, the plain product is as quick
Forward = Callable[[torch.Tensor], torch.Tensor]


def packed(model: PreTrainedModel, least: int = LEAST) -> list[tuple[torch.nn.Linear, Forward]]:
    """The linear layers of a model of `least` bytes or more, each with what does the same; none where that is no gain,
    or torch cannot do it.

    The model itself is as it was.
    """
    if model.device.type != "cpu" or model.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return []
    if not least <= sum(p.numel() * p.element_size() for p in model.parameters()) <= MOST:
        return []
    try:
        return [(m, _forward(m)) for m in model.modules() if type(m) is torch.nn.Linear]
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):  # operators of another version
        return []


def _forward(layer: torch.nn.Linear) -> Forward:
    ops = torch.ops.mkldnn
    weight = ops._reorder_linear_weight(layer.weight.detach(), NUM_ROWS)

    def forward(x: torch.Tensor) -> torch.Tensor:
        if x.numel() > MOST_ROWS * x.shape[-1]:
            return linear(x, layer.weight, layer.bias)
        return ops._linear_pointwise(x, weight, layer.bias, "none", [], "")

    forward(layer.weight.new_zeros(1, layer.in_features))  # what cannot be done is found out here
    return forward


@contextmanager
def used(layers: list[tuple[torch.nn.Linear, Forward]]) -> Iterator[None]:
    """The layers compute by what `packed` gave inside; afterwards they are as they were."""
    for layer, forward in layers:
        vars(layer)["forward"] = forward
    try:
        yield
    finally:
        for layer, _ in layers:
            vars(layer).pop("forward", None)
