"""Who runs an attempt, and whether that process still lives."""

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from winsweep.paths import unlinked_opener

BUSY = 75  # exit code of an attempt whose artifact somebody else builds
HEARTBEAT_S = 5.0
STALE_S = 60.0  # a shared disk may show a file this late
AHEAD_S = 86400.0  # a clock may be wrong; a heartbeat further in the future is none
NAME = re.compile(r"(?P<host>[^@/]+)@(?P<pid>\d{1,9})@(?P<started>\d{1,12}\.\d{2})@[^/]*")


def owner(token: str) -> str:
    """A name for this process that no other process on any host has had or will have."""
    return f"{socket.gethostname()}@{os.getpid()}@{_started(os.getpid()):.2f}@{token}"


def node() -> str:
    """What SLURM calls this machine, or what it calls itself."""
    return os.environ.get("SLURMD_NODENAME", socket.gethostname())


def same_task(name: str, token: str) -> bool:
    """Whether the owner `name` was an earlier turn of the SLURM task that `token` (slurm-ARRAY_TASK.RESTART) is a turn
    of; a later one is not, as a turn of which SLURM has lost sight may go on beside it.
    """
    (mine, _, turn), (theirs, _, other) = token.rpartition("."), name.rpartition("@")[2].rpartition(".")
    is_earlier = not (turn.isdigit() and other.isdigit()) or int(other) <= int(turn)
    return token.startswith("slurm-") and theirs == mine and is_earlier


def alive(name: str, heartbeat: Path | None = None, token: str = "") -> bool:
    """Whether the owner called `name` still runs: exact on this host, by the age of its heartbeat elsewhere.

    SLURM runs a task once at a time, so an earlier turn of the asker's own task (its `token`) is over.
    """
    if same_task(name, token):
        return False
    if (named := NAME.fullmatch(name)) is None:  # nobody's
        return False
    if named["host"] == socket.gethostname():
        return abs(_started(int(named["pid"])) - float(named["started"])) < 0.02
    try:
        return -AHEAD_S < time.time() - heartbeat.stat().st_mtime < STALE_S if heartbeat else True
    except FileNotFoundError:
        return False


def beat(
    path: Path, word: Callable[[], str | None] = lambda: None, held: Callable[[], bool] = lambda: True
) -> threading.Event:
    """Touch `path` until the event that is returned is set, so that other hosts see that this attempt lives; see
    `fence` for `held`.

    In it stands the latest `word`: the signal that asked the attempt to end, for one that may not live to say so.
    """

    def once() -> None:
        _leave_unless(held)
        with open(path, "w", opener=unlinked_opener) as file:
            file.write(word() or "")

    return _repeat(once)


def fence(held: Callable[[], bool]) -> threading.Event:
    """End this process with BUSY soon after `held()` turned false, until the event that is returned is set.

    SLURM starts a task again when it has lost sight of a node, whose processes may live on: they must end by
    themselves.
    """
    return _repeat(lambda: _leave_unless(held))


def _leave_unless(held: Callable[[], bool]) -> None:
    if not held():
        os.write(2, b"another attempt has taken over: this one ends\n")
        os._exit(BUSY)  # the main thread may be inside a collective that no exception reaches


def _repeat(action: Callable[[], None]) -> threading.Event:
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):  # a disk that is full or away for a while
                action()
            stop.wait(HEARTBEAT_S)

    threading.Thread(target=loop, daemon=True).start()
    return stop


def _started(pid: int) -> float:
    """Start time of a live process; 0 for one that is gone or a zombie."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return 0.0
