"""When the next call may leave: requests and tokens a minute, and the time for which the endpoint asked to be left alone."""

import asyncio
import time

from winsweep.judge.limits import Limits


class Pacing:
    """Calls leave evenly, never in a burst: a server that counts by the minute sees at most one call more than the limit in any minute."""

    def __init__(self, limits: Limits) -> None:
        self.per_call_s = 60 / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self.per_token_s = 60 / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
        self.next = self.closed_until = 0.0  # on the monotonic clock
        self.queue = asyncio.Lock()

    def close(self, seconds: float) -> None:
        """Nothing leaves for so long: what one call was told holds for all of them."""
        self.closed_until = max(self.closed_until, time.monotonic() + seconds)

    async def turn(self, tokens: float) -> None:
        """Return when a call of about so many tokens may leave; calls leave in the order in which they ask."""
        async with self.queue:
            while (wait := max(self.next, self.closed_until) - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self.next = time.monotonic() + max(self.per_call_s, tokens * self.per_token_s)
