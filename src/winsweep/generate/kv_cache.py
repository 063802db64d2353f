"""Keys and values of the sequences that are being written, a slot each: what a model's attention layers put in and
read.

Shape suffixes: N slots in use, B all slots, S positions of a slot, H key-value heads, D head size.
"""

import torch
from transformers import Cache

from winsweep.train.attention_kernels import PAGE


class SlotCache(Cache):
    """Stands for a transformers cache in a step that writes one token in each of the first N slots, at a position of
    its own.

    Memory is B slots as long as the longest of them; `fit` says how many and how long.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.held_BSHD: list[tuple[torch.Tensor, torch.Tensor]] = []  # keys and values, by layer
        self.shape = (0, 0)  # slots, and positions of each

    @property
    def bytes_per_position(self) -> int:
        """Of all layers; 0 before anything was put in."""
        return sum(x.shape[2:].numel() * x.element_size() for pair in self.held_BSHD for x in pair)

    def fit(self, num_slots: int, positions: int) -> None:
        """Make room for `num_slots` of `positions`, of which the first keep what they hold; a layer at a time, so that
        little is held twice.
        """
        positions = round_up(positions)
        if self.shape[0] >= num_slots and self.shape[1] >= positions:
            return
        for i, pair in enumerate(self.held_BSHD):
            self.held_BSHD[i] = tuple(_resized(x, num_slots, positions) for x in pair)
        self.shape = (num_slots, positions)

    def put(self, read: Cache, lengths: list[int], first_slot: int) -> None:
        """What a pass over prompts in a line made of them goes to the slots from `first_slot` on, positions
        from 0 on.
        """
        if not self.held_BSHD:
            self.held_BSHD = [
                tuple(x.new_zeros(*self.shape, x.shape[1], x.shape[3]) for x in (layer.keys, layer.values))
                for layer in read.layers
            ]
        for pair, layer in zip(self.held_BSHD, read.layers, strict=True):
            for held, line in zip(pair, (layer.keys, layer.values)):
                for slot, new in enumerate(line[0].transpose(0, 1).split(lengths), first_slot):
                    held[slot, : len(new)] = new

    def move(self, source: int, target: int, length: int) -> None:
        for pair in self.held_BSHD:
            for held in pair:
                held[target, :length] = held[source, :length]

    def look(self, indices_N: torch.Tensor) -> None:
        """The next step's tokens go to `indices_N` of the first N slots."""
        self.indices_N, self.slots_N = indices_N, torch.arange(len(indices_N), device=indices_N.device)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A layer puts in its keys and values of the new tokens (N, H, 1, D), and gets those of the whole slots (N, H,
        S, D).
        """
        found = []
        for held, new in zip(self.held_BSHD[layer_idx], (keys, values)):
            held[self.slots_N, self.indices_N] = new[:, :, 0]
            found.append(held[: len(self.slots_N)].transpose(1, 2))
        return found[0], found[1]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.shape[1]


def round_up(positions: int) -> int:
    return -(-positions // PAGE) * PAGE


def _resized(old: torch.Tensor, num_slots: int, positions: int) -> torch.Tensor:
    """Zeros where nothing is known: what is masked is multiplied with 0, which does not undo a NaN."""
    new, slots, length = (
        old.new_zeros(num_slots, positions, *old.shape[2:]),
        min(len(old), num_slots),
        min(old.shape[1], positions),
    )
    new[:slots, :length] = old[:slots, :length]
    return new
