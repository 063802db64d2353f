"""When calls leave: evenly, in turn with those of other processes, and however the file of turns looks."""

import asyncio
import fcntl
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

from winsweep.judge.limits import Limits
from winsweep.judge.pacing import Pacing

from .conftest import run_python


def test_calls_leave_evenly_under_limits_by_the_minute():
    async def leave(limits: Limits) -> list[float]:
        pacing, turns = Pacing(limits), []
        for _ in range(6):
            await pacing.turn(100)
            turns.append(pacing.next - 0.05)
            assert time.time() >= turns[-1]
        return [b - a for a, b in itertools.pairwise(turns)]

    assert min(asyncio.run(leave(Limits(requests_per_minute=1200)))) >= 0.0499
    assert min(asyncio.run(leave(Limits(tokens_per_minute=60 * 100 / 0.05)))) >= 0.0499


def test_processes_share_the_limits_by_the_minute(tmp_path):
    code = (
        "import asyncio, time; from pathlib import Path; from winsweep.judge.limits import Limits; from "
        "winsweep.judge.pacing import Pacing\n"
        f"async def leave():\n p = Pacing(Limits(requests_per_minute=1200), Path({str(tmp_path / 'pace')!r}))\n"
        " for _ in range(8):\n  await p.turn(9)\n  print(p.next)\nasyncio.run(leave())"
    )
    with ThreadPoolExecutor(3) as pool:
        turns = sorted(
            float(t) for said in pool.map(lambda _: run_python(code, tmp_path), range(3)) for t in said.split()
        )
    assert len(turns) == 24 and min(b - a for a, b in itertools.pairwise(turns)) >= 0.0499


def test_a_file_of_turns_that_makes_no_sense_or_cannot_be_locked_stops_nobody(tmp_path):
    def seconds() -> float:
        begun = time.monotonic()
        asyncio.run(Pacing(Limits(requests_per_minute=6000), tmp_path / "pace").turn(9))
        return time.monotonic() - begun

    for text in ("nan", "none", str(time.time() + 4000)):
        (tmp_path / "pace").write_text(text)
        assert seconds() < 20
    with open(tmp_path / "pace") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert seconds() < 20
    (tmp_path / "pace").unlink()
    (tmp_path / "pace").mkdir()
    assert seconds() < 20
