"""When the next call may leave: requests and tokens a minute, and the time for which the endpoint asked to be left
alone.
"""

import asyncio
import fcntl
import os
import stat
import time
from pathlib import Path

from winsweep.judge.limits import Limits
from winsweep.paths import unlinked_opener

LOCK_S = 2.0  # a process that was stopped while it held the lock must not stop all others
FARTHEST_S = 60.0  # a turn later than this was written by a clock that is wrong


class Pacing:
    """Calls leave evenly, never in a burst: a server that counts by the minute sees at most one call more than the
    limit in any minute.

    Limits are an account's, so all processes that pace themselves by the same file share them. Where it cannot be
    locked, each has its own.
    """

    def __init__(self, limits: Limits, shared: Path | None = None) -> None:
        self.per_call_s = 60 / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self.per_token_s = 60 / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
        self.shared, self.next = shared, 0.0  # by the clock on the wall, as other machines read it too
        self.closed_until = 0.0  # on the monotonic clock
        self.queue = asyncio.Lock()

    def close(self, seconds: float) -> None:
        """Nothing leaves for so long: what one call was told holds for all of them."""
        self.closed_until = max(self.closed_until, time.monotonic() + seconds)

    async def turn(self, tokens: float) -> None:
        """Return when a call of about so many tokens may leave; calls leave in the order in which they ask."""
        async with self.queue:
            if apart := max(self.per_call_s, tokens * self.per_token_s):
                await asyncio.sleep(await self._reserve(apart) - time.time())
            while (wait := self.closed_until - time.monotonic()) > 0:  # noqa: ASYNC110  # it may be put off meanwhile
                await asyncio.sleep(wait)

    async def _reserve(self, apart: float) -> float:
        """The time of this process's next turn; the one after it, anybody's, is so many seconds later."""
        held = await self._lock()
        try:
            said = _seconds(os.pread(held, 32, 0)) if held is not None else self.next
            at = max(time.time(), said if said < time.time() + FARTHEST_S else 0.0)
            self.next = at + apart
            if held is not None:
                os.pwrite(held, f"{self.next:<32.6f}".encode(), 0)
            return at
        finally:
            if held is not None:
                os.close(held)

    async def _lock(self) -> int | None:
        if self.shared is None:
            return None
        try:
            file, end = unlinked_opener(str(self.shared), os.O_RDWR | os.O_CREAT), time.monotonic() + LOCK_S
        except OSError:  # another user's, say, or a link
            return None
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            return None
        while time.monotonic() < end:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except OSError:  # held by another, or a file system without locks
                await asyncio.sleep(0.005)
        os.close(file)
        return None


def _seconds(written: bytes) -> float:
    try:
        return float(written)
    except ValueError:  # nothing yet, or nothing that we wrote
        return 0.0
