"""Who runs an attempt, and whether that process still lives."""

import os
import socket
import time
from pathlib import Path

import psutil

HEARTBEAT_S = 5.0
STALE_S = 60.0  # a shared disk may show a file this late


def owner(token: str) -> str:
    """A name for this process that no other process on any host has had or will have."""
    return f"{socket.gethostname()}@{os.getpid()}@{_started(os.getpid()):.2f}@{token}"


def alive(name: str, heartbeat: Path | None = None) -> bool:
    """Whether the owner called `name` still runs: exact on this host, by the age of its heartbeat elsewhere."""
    host, pid, started, _ = name.split("@", 3)
    if host == socket.gethostname():
        return abs(_started(int(pid)) - float(started)) < 0.02
    try:
        return time.time() - heartbeat.stat().st_mtime < STALE_S if heartbeat else True
    except FileNotFoundError:
        return False


def _started(pid: int) -> float:
    """Start time of a live process; 0 for one that is gone or a zombie."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return 0.0
