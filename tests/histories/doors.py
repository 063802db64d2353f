"""What is in the place of the clock, of other processes, of SLURM and of the disk's calls while a history happens."""

import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from tests.histories.actors import CHANGES, LOOKS, REAL, Machine
from tests.histories.cluster import commands
from tests.histories.world import World
from winsweep.attempt import arrays, attempt, stopflag, warm
from winsweep.slurm import finalizer, node, queue, sbatch, submission
from winsweep.store import liveness, provenance
from winsweep.workspace import Workspace

MEMORY = Path("/dev/shm")


@contextmanager
def history(root: Path, workspaces: dict[str, Workspace], study: str = "two") -> Iterator[World]:
    """A new world at `root`, its doors in place."""
    shutil.rmtree(root / "runs", ignore_errors=True)
    world = World(root, workspaces, study)
    ids = SimpleNamespace(uuid4=world.new_id)
    modules = [m for name, m in [*sys.modules.items()] if name.startswith("winsweep.")]
    asked = commands(world.queue, world.machine)
    with ExitStack() as stack:
        for of, name, value in (
            (queue, "subprocess", asked),
            (node, "subprocess", asked),
            (sbatch, "_sbatch", world.sbatch),
            (arrays, "uuid", ids),
            (finalizer, "uuid", ids),
            (finalizer, "open_workspace", world.opened),
            (finalizer, "leave_report", lambda _: None),
            (finalizer, "tell", lambda *_: None),
            (submission, "take_snapshot", lambda store: store / ".work/code/0"),
            (node, "redirect", world.write_log),
            (attempt, "stage", world.stage),
            (attempt, "_set_threads", lambda _: None),
            (warm, "import_for", lambda *_: None),
            (attempt, "usage", lambda _: {}),
            (provenance, "circumstances", lambda: {"commit": "0", "dirty": False}),
        ):
            stack.enter_context(mock.patch.object(of, name, value))
        stack.enter_context(pretended(world.machine, modules))
        yield world


def folder() -> Path:
    """A new directory in memory, if there is such, as a history writes thousands of small files."""
    return Path(tempfile.mkdtemp(prefix="winsweep-histories-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


@contextmanager
def pretended(machine: Machine, modules: list[ModuleType]) -> Iterator[None]:
    """Inside, code of `modules` sees the machine's clock, processes and signals, and each of its calls is a door."""
    clock = SimpleNamespace(time=machine.read_clock, monotonic=machine.read_clock, sleep=machine.sleep)
    clock.strftime, clock.localtime, clock.mktime = time.strftime, time.localtime, time.mktime
    real_signal = stopflag.signal
    signals = SimpleNamespace(signal=machine.listen, pthread_sigmask=machine.mask)
    for name in ("SIGTERM", "SIGUSR2", "SIG_BLOCK", "SIG_UNBLOCK"):
        setattr(signals, name, getattr(real_signal, name))
    swaps: list[tuple[Any, str, Any]] = [
        *((module, "time", clock) for module in modules if getattr(module, "time", None) is time),
        (stopflag, "signal", signals),
        (liveness, "socket", SimpleNamespace(gethostname=machine.host)),
        (liveness, "_started", machine.started),
        (liveness, "beat", machine.beats),
        (os, "getpid", machine.pid),
        (os, "_exit", machine.exit),
        *((os, name, _door(machine, name)) for name in (*CHANGES, *LOOKS)),
        (io, "open", _open(machine)),
        (sys.modules["builtins"], "open", _open(machine)),
        (sys, "stdout", io.StringIO()),
        (sys, "stderr", io.StringIO()),
    ]
    kept = [(of, name, getattr(of, name)) for of, name, _ in swaps]
    try:
        for of, name, value in swaps:
            setattr(of, name, value)
        yield
    finally:
        machine.end()
        for of, name, value in kept:
            setattr(of, name, value)


def _door(machine: Machine, name: str) -> Callable:
    act = REAL[name]

    def door(*args: Any, **named: Any) -> Any:
        if machine.current and (_is_inside(machine, args) or any(v is not None for v in named.values())):
            machine.door()
        found = act(*args, **named)
        if name in ("rename", "replace") and (current := machine.current):
            machine.current = None  # what looks on is no part of the history
            try:
                machine.on_rename(os.fspath(args[0]), os.fspath(args[1]))
            finally:
                machine.current = current
        return found

    return door


def _open(machine: Machine) -> Callable:
    def opened(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        if not machine.current or not _is_inside(machine, (file,)):
            return REAL["open"](file, mode, *args, **named)
        machine.door()
        found = REAL["open"](file, mode, *args, **named)
        if "r" not in mode:
            try:
                machine.door()  # it is there, and empty
            except BaseException:
                found.close()
                raise
        return found

    return opened


def _is_inside(machine: Machine, args: tuple) -> bool:
    return bool(args) and not isinstance(args[0], int) and os.fspath(args[0]).startswith(machine.root)
