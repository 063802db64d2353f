"""The loss over held-out rows while a model is trained: every rank computes a share, and training goes on as if nothing
had been.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from winsweep.text.encode import Example
from winsweep.train import pack
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.engine import Engine
from winsweep.train.example_file import lengths_of
from winsweep.train.loss import collate, num_targets, summed_loss
from winsweep.train.loss import pack as pack_examples
from winsweep.train.randomness import random_state, set_random_state
from winsweep.train.rank_group import RankGroup


@dataclass(frozen=True)
class HeldOut:
    """Rows that nothing is learned from, each with a target, and after how many steps their loss is looked at."""

    examples: Sequence[Example]
    every: int  # steps; the last step of the run is always one

    @cached_property
    def num_tokens(self) -> int:
        """Targets of all rows."""
        return sum(map(num_targets, self.examples))

    def is_due(self, step: int, num_steps: int) -> bool:
        """Whether their loss is looked at after `step` steps of so many."""
        return step % self.every == 0 or step == num_steps


def evaluate(engine: Engine, held_out: HeldOut, schedule: BatchSchedule, step: int, group: RankGroup) -> dict:
    """The line of the log for the loss over the held-out rows after `step` steps: its mean over all their targets, in
    nats. Called by every rank.

    Rows are packed or padded and split as those of a step are, and attend as in training. No gradient, no weight and no
    random number is touched.
    """
    lengths = lengths_of(held_out.examples).tolist()
    split = pack.packed_grid if schedule.packed else pack.padded_grid
    parts = [micro[group.rank] for micro in split(lengths, group.num_ranks, schedule.micro_tokens)]
    before, total = random_state(), 0.0
    engine.eval()
    try:
        with torch.no_grad():
            for part in parts:  # as many on every rank, as ZeRO's stage 3 gathers weights in each
                rows = [held_out.examples[at] for at in part]
                batch = pack_examples(rows, "example_sum") if schedule.packed else collate(rows)
                total += float(summed_loss(engine, batch.to(engine.device), "example_sum"))
    finally:
        engine.train()
        set_random_state(before)
    [whole] = group.sum(total)
    return {"step": step, "eval_loss": whole / held_out.num_tokens, "eval_tokens": held_out.num_tokens}
