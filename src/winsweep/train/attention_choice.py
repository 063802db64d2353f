"""Which way of attention is taken on this machine: the quickest whose numbers are right, tried once.

The trial is on small tensors of the kind that is asked for. `heard` tells which way it was, and why not a quicker one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from winsweep.train.attention_kernels import (
    LINE,
    PAGE,
    SLOTS,
    Asked,
    Lacking,
    Line,
    Slots,
)

HALF = (torch.bfloat16, torch.float16)
OFF = 0.03  # of the norm: half precision rounds to a tenth of that
TRIED = (5, 1, 300, 40)  # lengths of the sequences that a way is tried on


def fits(query: Tensor) -> bool:
    """Whether there are fused kernels for such tensors."""
    return query.is_cuda and query.dtype in HALF


def attend(asked: Asked) -> Tensor:
    """The attention's output in the query's shape, by the quickest way that is right here. Gradients flow through a
    Line.
    """
    way = _way(asked)
    for names in _listening:
        names.add(way.told)
    return way.run(asked)


@contextmanager
def heard() -> Iterator[set[str]]:
    """The ways that are taken inside, each with what was passed over for it and why."""
    names: set[str] = set()
    _listening.append(names)
    try:
        yield names
    finally:
        _listening.pop()


@dataclass(frozen=True)
class _Way:
    run: Callable[[Any], Tensor]
    told: str


_ways: dict[tuple, _Way] = {}  # by the kind of tensors
_listening: list[set[str]] = []


def _way(asked: Asked) -> _Way:
    query, key = asked.query, asked.key
    windowed = isinstance(asked, Line) and asked.window is not None
    kind = (type(asked), windowed, query.device, query.dtype, query.shape[-2:], key.shape[-2])
    if kind not in _ways:
        _ways[kind] = _chosen(asked, windowed)
    return _ways[kind]


@torch.inference_mode(False)
@torch.enable_grad()
def _chosen(asked: Asked, windowed: bool) -> _Way:
    """The first way that is right on tensors like those of `asked`; the last is not tried."""
    (*names, last), runs, tried = _about(asked, windowed)
    wanted: list[Tensor] = []
    passed: list[str] = []
    for name in names:
        try:
            wanted = wanted or _numbers(runs[last], tried)
            why = _difference(_numbers(runs[name], tried), wanted)
        except torch.OutOfMemoryError:
            raise
        # of kernels that are not there, or are called otherwise
        except (Lacking, ImportError, TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError) as e:
            why = str(e).strip().partition("\n")[0][:120] or type(e).__name__
        if not why:
            return _Way(runs[name], _told(name, passed))
        passed.append(f"{name}: {why}")
    return _Way(runs[last], _told(last, passed))


def _about(asked: Asked, windowed: bool) -> tuple[list[str], dict[str, Callable[[Any], Tensor]], Asked]:
    """The names of the ways, the ways, and what they are tried on."""
    if isinstance(asked, Line):
        return list(LINE), dict(LINE), _line_like(asked, windowed)
    return list(SLOTS), dict(SLOTS), _slots_like(asked)


def _told(name: str, passed: list[str]) -> str:
    return f"{name} ({'; '.join(passed)})" if passed else name


def _numbers(run: Callable[[Any], Tensor], tried: Asked) -> list[Tensor]:
    """The output of a way in fp32, and the gradients of what it was given, where they flow."""
    out = run(tried)
    if isinstance(tried, Slots):
        return [out.float()]
    given = (tried.query, tried.key, tried.value)
    return [x.float() for x in (out.detach(), *torch.autograd.grad(out, given, _sines(out.shape, out, 9)))]


def _difference(found: list[Tensor], wanted: list[Tensor]) -> str:
    off = max(((a - b).norm() / b.norm()).item() for a, b in zip(found, wanted, strict=True))
    return "" if off <= OFF else f"its numbers are off by {off:.1g} of their norm"  # also NaN


def _line_like(asked: Line, windowed: bool) -> Line:
    starts = pad(torch.tensor(TRIED).cumsum(0), (1, 0)).to(asked.starts)
    shapes = (x.shape[1:] for x in (asked.query, asked.key, asked.value))
    query, key, value = (
        _sines((sum(TRIED), *shape), asked.query, i).requires_grad_() for i, shape in enumerate(shapes)
    )
    return Line(query, key, value, starts, max(TRIED), asked.scale, 4 if windowed else None)


def _slots_like(asked: Slots) -> Slots:
    positions = -(-max(TRIED) // PAGE) * PAGE
    query = _sines((len(TRIED), *asked.query.shape[1:]), asked.query, 0)
    key, value = (_sines((len(TRIED), positions, *asked.key.shape[2:]), asked.key, i) for i in (1, 2))
    return Slots(query, key, value, torch.tensor(TRIED).to(asked.lengths), asked.scale)


def _sines(shape: Any, like: Tensor, begin: int) -> Tensor:
    """Numbers from -1 to 1 without a pattern; the state of no generator is touched."""
    num = torch.Size(shape).numel()
    return (torch.arange(num, device=like.device).double().square() * 0.37 + begin).sin().view(shape).to(like.dtype)
