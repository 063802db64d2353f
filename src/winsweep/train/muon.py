"""DeepSpeed's Muon, imported without the compiler of its kernels.

DeepSpeed imports it with every first engine to ask whether the optimizer is one, and its module-level `torch.compile`
then loads inductor: a second of every rank and 540 files of a shared disk. No recipe trains with Muon, so none of its
kernels ever runs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch


@contextmanager
def _uncompiled() -> Iterator[None]:
    """`torch.compile` leaves every function as it is inside."""
    compiler = torch.compile

    def as_it_is(model: Callable | None = None, **options: object) -> Callable:
        return model if model is not None else lambda function: function

    torch.compile = as_it_is
    try:
        yield
    finally:
        torch.compile = compiler


with _uncompiled(), suppress(ModuleNotFoundError):  # a DeepSpeed that has it elsewhere compiles it: slower, and right
    import deepspeed.runtime.zero.muon.muon_optimizer  # noqa: F401
