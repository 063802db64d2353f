"""When the board looks: at its time, which it tells, or as soon as it is asked to."""

import time

from tests.core.test_large_study import waiting
from tests.watch.made import seen
from tests.watch.test_draw import drawn
from winsweep.watch.board import Looker


def wait_for(is_so, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_board_that_is_not_due_for_long_looks_when_it_is_asked_to(tmp_path, monkeypatch):
    workspace = waiting(tmp_path / "small", 4)
    monkeypatch.setenv("PATH", f"{tmp_path / 'small'}:/usr/bin:/bin")
    looker = Looker(workspace)
    looker.look()
    assert looker.next_at >= time.time() + 10 and looker.due > time.monotonic()
    before = looker.seen
    looker.due = time.monotonic() + 300
    looker.start()
    time.sleep(0.5)
    assert looker.seen is before
    looker.look_now()
    wait_for(lambda: looker.seen is not before)


def test_when_it_looks_next_is_told():
    at = time.mktime((2026, 1, 1, 13, 14, 15, 0, 0, -1))
    for width in (80, 120):  # a terminal's usual width, too
        assert ", next 13:14:15" in drawn(seen(), next_at=at, width=width)[1]
    assert "next" not in drawn(seen(), width=120)[1] and "r look now" in drawn(seen())[-1]
