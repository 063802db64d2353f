"""When a run is saved: every so many steps, or as often as costs little of its time; and on whose time the files are
written.
"""

import time
from collections.abc import Callable
from pathlib import Path

from winsweep.placement import Placement
from winsweep.train import checkpoint, free_memory
from winsweep.train.engine import Engine, state_bytes
from winsweep.train.rank_group import RankGroup

SHARE = 0.03  # of the time, that saving may take where placement names no number of steps
MIN_S = 60.0  # between two checkpoints, however little they cost
COPY_BYTES_PER_S = 5e8  # what the first checkpoint is reckoned with


def worth_it(now: float, begun: float, last: float, spent_s: float, cost_s: float) -> bool:
    """Whether a checkpoint that takes `cost_s` keeps saving within SHARE of the time since `begun`; all in seconds of
    one clock.
    """
    return now - last >= MIN_S and spent_s + cost_s <= SHARE * (now - begun)


class Saver:
    """The checkpoints of one attempt; `after` and `finish` are called by every rank, with the same arguments."""

    def __init__(self, engine: Engine, work: Path, fit: dict, placement: Placement, group: RankGroup) -> None:
        self.engine, self.work, self.fit, self.placement, self.group = engine, work, fit, placement, group
        self.begun = self.last = time.monotonic()
        self.spent_s, self.num, self.num_behind, self.num_bytes = 0.0, 0, 0, 0
        self.cost_s = state_bytes(engine) / COPY_BYTES_PER_S
        self.draft: checkpoint.Draft | None = None

    def after(self, step: int, stop: bool) -> None:
        """Save the state after `step` steps if it is time to, or if the run must stop: then it is on the disk on
        return.

        An error of writing is raised on all ranks, at the latest when the next checkpoint would begin; the last one
        stays as it was.
        """
        ready = self.draft is None or not self.draft.is_writing()
        all_ready, due = self.group.sum(ready, self.group.rank == 0 and self._due(step))
        ready = all_ready == self.group.num_ranks
        if self.draft and (ready or stop or due):
            self.finish()
        if stop or due:
            self._timed(lambda: self._begin(step, behind=not stop and self.placement.checkpoint_behind))
        if self.draft and not self.draft.thread:
            self.finish()

    def finish(self) -> None:
        """Publish what is still being written."""
        if draft := self.draft:
            self.draft = None
            self._timed(lambda: self._finish(draft))

    def notes(self) -> dict:
        """For the record: `seconds` are those that training waited, of `share` of the attempt."""
        elapsed = max(time.monotonic() - self.begun, 1e-9)
        seconds = {"seconds": round(self.spent_s, 3), "share": round(self.spent_s / elapsed, 4)}
        return {"num": self.num, "num_behind": self.num_behind, "bytes": self.num_bytes, **seconds}

    def _due(self, step: int) -> bool:
        if self.placement.checkpoint_steps:
            return step % self.placement.checkpoint_steps == 0
        return self.draft is None and worth_it(time.monotonic(), self.begun, self.last, self.spent_s, self.cost_s)

    def _begin(self, step: int, behind: bool) -> None:
        ranks_here = self.group.num_ranks // self.placement.nodes or 1
        roomy = (
            behind
            and 2 * ranks_here * max(state_bytes(self.engine), self.num_bytes / self.group.num_ranks)
            < free_memory.free_bytes()
        )
        behind = self.group.sum(roomy) == [self.group.num_ranks]
        self.cost_s = 0.0
        self.draft = checkpoint.begin(self.engine, self.work, step, self.fit, self.group, behind)
        self.num_behind += behind

    def _finish(self, draft: checkpoint.Draft) -> None:
        self.num_bytes = checkpoint.finish(draft, self.group)
        self.num += 1

    def _timed(self, action: Callable[[], None]) -> None:
        begun = time.monotonic()
        action()
        self.last = time.monotonic()
        self.spent_s += self.last - begun
        self.cost_s += self.last - begun
