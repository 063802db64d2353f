"""What every reader of others' files owes, whatever it is given, and how fuzzers are run: by number, or by time."""

import io
import os
import random
import re
import resource
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning
from hypothesis.strategies import SearchStrategy

from winsweep.errors import WinsweepError

MOST_S, MOST_GB, MOST_LINE, MOST_TEXT = 5.0, 1.0, 2100, 200_000
SAID: Counter[str] = Counter()  # how often readers read, and refused
SECONDS = float(os.environ.get("WINSWEEP_FUZZ_S", "0"))


class Hang(BaseException):
    """A reader took more than MOST_S of processor time."""


def fuzz(name: str, cases: SearchStrategy[Any], check: Callable[[Any], None], num: int) -> None:
    """`check` on `num` cases, always the same ones; with WINSWEEP_FUZZ_S, on new ones for so many seconds."""
    counted, begun, grown = [0], time.monotonic(), _peak_gb()
    SAID.clear()

    def one(case: Any) -> None:
        counted[0] += 1
        check(case)

    def run(**more: Any) -> None:
        found = settings(
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            **more,
        )(given(cases)(one))
        (seed(random.SystemRandom().getrandbits(64))(found) if SECONDS else found)()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)  # of cases that are long
        if not SECONDS:
            run(max_examples=num, derandomize=True)
        while time.monotonic() - begun < SECONDS:
            run(max_examples=200)
    assert _peak_gb() - grown < MOST_GB
    took = time.monotonic() - begun
    print(f"{name}: {counted[0]:,} cases in {took:.0f} s; {SAID['read']:,} read, {SAID['refused']:,} refused")


def held(read: Callable[[], Any], *names: str, where: str = "") -> None:
    """`read` ends soon, and with nothing but words of winsweep's: printable, short, naming one of `names` in each
    message, and matching `where`.
    """
    before = signal.signal(signal.SIGVTALRM, _hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_S)
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            read()
        SAID["read"] += 1
    except WinsweepError as error:
        SAID["refused"] += 1
        refused(error, names, where)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    shown(said.getvalue())


def refused(error: WinsweepError, names: tuple[str, ...], where: str) -> None:
    text = str(error)
    shown(text)
    assert len(text) < MOST_TEXT and text.strip()
    for message in getattr(error, "each", (text,)):
        assert not names or any(name in message for name in names), f"names no file: {message[:400]}"
        assert not where or re.search(where, message), f"says no place: {message[:400]}"


def shown(text: str) -> None:
    """`text` steers no terminal, and no line of it is endless."""
    raw = [c for c in text if not c.isprintable() and c != "\n"]
    assert not raw, f"raw {raw[0]!a} in {text[:400]!a}"
    longest = max(text.split("\n"), key=len)
    assert len(longest) <= MOST_LINE, f"a line of {len(longest):,} letters: {longest[:400]!a}"


def _hang(*_: object) -> None:
    raise Hang(f"more than {MOST_S} s of processor time")


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what hostile paths may meet: a pipe, a link to itself, a directory, a file that nobody may read."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "unreadable").touch(mode=0)
    return tmp_path
