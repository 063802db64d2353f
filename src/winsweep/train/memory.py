"""How many tokens one forward pass may hold, and how a model is made to keep less of them for the backward pass."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from winsweep.errors import BadStudy

CPU_TOKENS = 2048  # fixed, so that a result does not hang on the machine; larger ones leave a core's cache
MOST_TOKENS = 16384  # more fill no GPU better
GRAIN = 256
SHARE = 0.8  # of what is free: the allocator's pieces, and kernels' own room
COUNTED = "winsweep_counted"
DEAR = {
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "_varlen_attn",
    "_flash_attn_varlen_forward",  # flash-attn's
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
}


def recompute(model: PreTrainedModel, level: str) -> None:
    """Have the backward pass make activations again: none, those that cost no matrix product or attention ("cheap"), or
    all of a layer but its input ("full"). Only memory and time change. BadStudy for a model that cannot.
    """
    if level == "none":
        return
    how: dict[str, Any] = {"use_reentrant": False}
    if level == "cheap":
        how["context_fn"] = partial(create_selective_checkpoint_contexts, _policy)
    try:
        _switch(model)(how)
    except ValueError:
        raise BadStudy(
            f"placement.recompute: found {level}; {type(model).__name__} keeps all activations; type recompute: none"
        ) from None


def _switch(model: PreTrainedModel) -> Callable[[dict], None]:
    """transformers' switch for recomputed activations, under the name that it has there: older ones know one, and v6
    the other.
    """
    if hasattr(model, "activation_checkpointing_enable"):
        return model.activation_checkpointing_enable
    return model.gradient_checkpointing_enable


def _is_dear(op: object) -> bool:
    return getattr(op, "__name__", "").partition(".")[0] in DEAR


def _policy(context: object, op: object, *args: object, **kwargs: object) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if _is_dear(op) else CheckpointPolicy.PREFER_RECOMPUTE


def fitting_tokens(config: PreTrainedConfig, dtype: torch.dtype, level: str, free_bytes: float, longest: int) -> int:
    """Tokens of a micro-batch for which `free_bytes` suffice: a multiple of GRAIN up to MOST_TOKENS, but never less
    than the `longest` example.
    """
    tokens = int(SHARE * free_bytes / bytes_per_token(config, dtype, level)) // GRAIN * GRAIN
    return max(longest, min(MOST_TOKENS, tokens))


def free_bytes() -> float:
    """What this rank's GPU has left, with what torch holds there and has no use for."""
    return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def bytes_per_token(config: PreTrainedConfig, dtype: torch.dtype, level: str) -> float:
    """See bytes_by_level."""
    return bytes_by_level(config, dtype)[level]


def bytes_by_level(config: PreTrainedConfig, dtype: torch.dtype) -> dict[str, float]:
    """What a token of a micro-batch takes at the peak, which is where the backward pass begins, by the level of
    recomputation.

    Counted, not measured: a forward pass on the meta device, which has shapes and no numbers, tells what autograd
    keeps. To that come one layer's recomputed activations and gradients, and logits with their gradient (see
    train.nll).
    """
    num_tokens, text = 64, config.get_text_config()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            copy.deepcopy(config), dtype=dtype, attn_implementation=COUNTED
        ).train()
        ids_1Q = torch.zeros(1, num_tokens, dtype=torch.long)
    own = {p.untyped_storage()._cdata for p in [*model.parameters(), *model.buffers()]}
    kept: dict[int, Tensor] = {}
    with (
        torch.autograd.graph.saved_tensors_hooks(
            lambda t: kept.setdefault(t.untyped_storage()._cdata, t) is None or t, lambda t: t
        ),
        _Dear() as dear,
    ):
        model(input_ids=ids_1Q, attention_mask=torch.ones_like(ids_1Q), use_cache=False, logits_to_keep=1)
    saved = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in own) / num_tokens
    layers, hidden = text.num_hidden_layers, text.hidden_size * dtype.itemsize
    levels = {
        "none": saved,
        "cheap": dear.num_bytes / num_tokens + 2 * layers * hidden,
        "full": layers * hidden + saved / layers,
    }
    at_last = saved / layers + 2 * text.vocab_size * dtype.itemsize
    return {level: min(saved, kept_there) + at_last for level, kept_there in levels.items()}


class _Dear(TorchDispatchMode):
    """Counts the bytes that matrix products give."""

    num_bytes = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = op(*args, **(kwargs or {}))
        if _is_dear(op):
            self.num_bytes += out.numel() * out.element_size()
        return out


class _Attention(torch.autograd.Function):
    """Keeps what a fused kernel keeps, whatever the length: its inputs and its output."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty_like(query.transpose(1, 2))
        ctx.save_for_backward(query, key, value, out)
        return out


def _counted(
    module: object, query: Tensor, key: Tensor, value: Tensor, mask: None, **how: object
) -> tuple[Tensor, None]:
    return _Attention.apply(query, key, value), None


AttentionInterface.register(COUNTED, _counted)
AttentionMaskInterface.register(COUNTED, lambda *args, **kwargs: None)
