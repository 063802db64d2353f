"""The ranks of one generation: which rows each makes, and how the first gets those of the others, through files
alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from winsweep.errors import Stopped
from winsweep.generate.row_log import RowLog
from winsweep.train.rank_group import Absent

T = TypeVar("T")
POLL_S = 0.2


@dataclass(frozen=True)
class Sharding:
    rank: int = 0
    num_ranks: int = 1
    timeout_s: float = 600.0  # longest silence of all others while the first rank waits

    def part(self, order: Sequence[T]) -> Sequence[T]:
        """This rank's rows, the same whatever is finished: an earlier attempt's rows are passed over by whoever has
        them now.
        """
        return order[self.rank :: self.num_ranks]

    def gather(
        self, finished: RowLog, num_rows: int, progress: Callable[[int, int], None], stopping: Callable[[], str | None]
    ) -> dict[int, list[int]]:
        """Every row, once all are there."""
        found, heard = finished.read(), time.monotonic()
        while len(found) < num_rows:
            if reason := stopping():
                raise Stopped(reason)
            if time.monotonic() - heard > self.timeout_s:
                raise Absent(
                    f"{finished.folder}: found {len(found)} of {num_rows} rows and none more in {self.timeout_s:.0f} "
                    f"s; the logs of "
                    "the other ranks (.rN) say what they do"
                )
            time.sleep(POLL_S)
            before, found = len(found), finished.read()
            if len(found) > before:
                heard = time.monotonic()
                progress(len(found), num_rows)
        return found
