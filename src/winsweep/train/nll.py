"""Cross-entropy that holds no float32 copy of the logits: computed and differentiated a few rows at a time.

K positions, V vocabulary, C rows of a chunk. The arithmetic is F.cross_entropy's on float32 logits; beside the logits
and their gradient only C·V numbers are in memory, a sixth of what autograd keeps for bf16 logits. No weight is touched,
so ranks may have any number of chunks under ZeRO 3, and whatever a model does to its logits is kept.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

CHUNK_BYTES = 1 << 20  # of float32: what stays in a CPU's cache


def nll(logits_KV: Tensor, targets_K: Tensor) -> Tensor:
    """Negative log likelihood in nats of each position's target, float32 (float64 for float64 logits): (K,)."""
    return _Nll.apply(logits_KV, targets_K)


def _chunks(logits_KV: Tensor) -> list[slice]:
    num_rows = max(1, CHUNK_BYTES // (4 * logits_KV.shape[1]))
    if logits_KV.is_cuda:
        num_rows *= 256  # enough to fill it
    return [slice(at, at + num_rows) for at in range(0, len(logits_KV), num_rows)]


def _exact(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


class _Nll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, logits_KV: Tensor, targets_K: Tensor) -> Tensor:
        norm_K = torch.cat([_exact(logits_KV[rows]).logsumexp(1) for rows in _chunks(logits_KV)])
        ctx.save_for_backward(logits_KV, targets_K, norm_K)
        return norm_K - _exact(logits_KV.gather(1, targets_K[:, None])[:, 0])

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_K: Tensor) -> tuple[Tensor, None]:
        logits_KV, targets_K, norm_K = ctx.saved_tensors
        grad_KV = torch.empty_like(logits_KV)
        for rows in _chunks(logits_KV):
            share_CV = _exact(logits_KV[rows]).sub(norm_K[rows, None]).exp_()
            share_CV.scatter_add_(1, targets_K[rows, None], share_CV.new_full((len(share_CV), 1), -1.0))
            grad_KV[rows] = share_CV.mul_(grad_K[rows, None])
        return grad_KV, None
