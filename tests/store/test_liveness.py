"""Who has lost its claim ends by itself, whatever its main thread does."""

import os
import time
from collections.abc import Callable

import pytest

from winsweep.store import liveness
from winsweep.store.store import Store

KEY = "make/0123456789ab"


def begin(action: Callable[[], object]) -> int:
    """A process that does `action` and then hangs."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            time.sleep(60)
        finally:
            os._exit(1)
    return pid


def code_of(pid: int, limit_s: float) -> int | None:
    """Its exit code; None if it still runs."""
    limit = time.monotonic() + limit_s
    while time.monotonic() < limit:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    return None


@pytest.mark.parametrize("leads", [True, False])
def test_a_process_whose_claim_was_taken_over_ends_as_busy_within_a_beat(tmp_path, leads):
    store = Store(tmp_path).open()
    claim = store.claim(KEY, liveness.owner("slurm-7_0.0"), liveness.alive)
    heartbeat = claim.root / "heartbeat"

    def held() -> bool:
        return store.held(KEY, claim.number)

    pid = begin(lambda: liveness.beat(heartbeat, held=held) if leads else liveness.fence(held))
    assert code_of(pid, 1) is None
    store.claim(KEY, liveness.owner("slurm-7_0.1"), lambda name: liveness.alive(name, heartbeat, "slurm-7_0.1"))
    assert code_of(pid, liveness.HEARTBEAT_S + 2) == liveness.BUSY


def test_a_disk_that_is_away_for_a_while_ends_nobody(tmp_path):
    def away() -> bool:
        raise OSError(116, "Stale file handle")

    pid = begin(lambda: liveness.fence(away))
    assert code_of(pid, 1) is None
    os.kill(pid, 9)
    assert code_of(pid, 5) == -9
