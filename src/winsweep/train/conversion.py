"""How tensors become others, recorded while a function runs on the meta device, and done again with numbers for one
tensor at a time.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from winsweep.errors import Incomplete

Place = tuple[int, int, tuple[int, ...], tuple[int, ...]]  # storage, offset, shape, strides: which numbers it shows


def place(tensor: Tensor) -> Place:
    return (
        tensor.untyped_storage()._cdata,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tuple(tensor.stride()) if tensor.numel() else (),
    )


class Recorder(TorchDispatchMode):
    """Within it, every operation on tensors is noted; `sources` are the tensors (without numbers) that it begins with,
    by name.
    """

    def __init__(self, sources: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.sources = {place(tensor): name for name, tensor in sources.items()}
        self.steps: dict[Place, tuple[Any, Any, Any, Any]] = {}
        self.overwritten: set[Place] = set()
        self.alive = list(sources.values())  # a place names a storage only as long as that lives

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = op(*args, **(kwargs or {}))
        given = _tensors((args, kwargs))
        if op._schema.is_mutable:
            self.alive += given
            self.overwritten |= set(map(place, given))
        known = self.sources.keys() | set(map(place, given))  # as of another view of the same numbers
        for tensor in _tensors(out):
            if place(tensor) not in known:
                self.steps.setdefault(place(tensor), (op, args, kwargs or {}, out))
                self.alive.append(tensor)
        return out

    def roots(self, tensor: Tensor) -> frozenset[str]:
        """The names of all sources that `tensor` was made from. Incomplete where it has numbers of another kind."""
        at = place(tensor)
        if at in self.overwritten or at not in self.sources.keys() | self.steps.keys():
            raise Incomplete("made from no trained weight")
        if at in self.sources:
            return frozenset([self.sources[at]])
        _, args, kwargs, _ = self.steps[at]
        return frozenset[str]().union(*map(self.roots, _tensors((args, kwargs))))

    def is_renamed(self, tensor: Tensor) -> bool:
        """Whether `tensor` shows the very numbers of one source, in their order."""
        return place(tensor) in self.sources

    def again(self, tensor: Tensor, read: Callable[[str], Tensor], done: dict[Place, Tensor]) -> Tensor:
        """`tensor` with numbers: those that `read` gives for the names of sources. `done` keeps what is on the way."""
        at = place(tensor)
        if at not in done and at in self.sources:
            done[at] = read(self.sources[at])
        elif at not in done:
            op, args, kwargs, out = self.steps[at]
            args, kwargs = tree_map_only(Tensor, lambda t: self.again(t, read, done), (args, kwargs))
            made = op(*args, **kwargs | ({"device": torch.device("cpu")} if "device" in kwargs else {}))
            pairs = zip(tree_leaves(out), tree_leaves(made), strict=True)
            done |= {place(shape): numbers for shape, numbers in pairs if isinstance(shape, Tensor)}
        return done[at]


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
