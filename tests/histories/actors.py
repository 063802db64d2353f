"""Processes that are pretended: real code in threads of which one runs at a time, stopped or killed at any call that
looks at or changes a store, asks SLURM, or sleeps (a door), by a clock of their own.
"""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from winsweep.attempt import stopflag
from winsweep.store import links, liveness

BEGINNING = 1_800_000_000.0
HANDS_S = 120.0  # of real time; a thread that is silent for so long hangs
CHANGES = ("rename", "replace", "link", "mkdir", "rmdir", "unlink", "remove", "utime")
LOOKS = ("listdir", "scandir")
REAL = {name: getattr(os, name) for name in (*CHANGES, *LOOKS, "getpid", "_exit")} | {"open": io.open}


class Killed(BaseException):
    """A process that is gone; nothing that it does while this is raised reaches the disk."""


class Exited(BaseException):
    """What os._exit is to a process."""


@dataclass(eq=False)
class Actor:
    """A process: where it runs, what signals it, how it ended."""

    name: str
    host: str
    pid: int
    body: Callable[[], Any]
    env: dict[str, str]
    begun: float
    is_dead: bool = False
    is_over: bool = False
    is_frozen: bool = False  # SIGSTOP: neither it nor its heartbeat goes on
    is_deaf: bool = True  # signals wait
    left: int | None = None  # doors until it hands back; None: until it sleeps or ends
    wake_at: float = 0.0
    signals: list[int] = field(default_factory=list)
    handlers: dict[int, Callable[[int, Any], None]] = field(default_factory=dict)
    beats: list[tuple[threading.Event, Path, Callable, Callable]] = field(default_factory=list)
    code: Any = None
    raised: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None

    @property
    def lives(self) -> bool:
        return not self.is_dead and not self.is_over


class Machine:
    """The clock and all processes of a history."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.now = BEGINNING
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.back = threading.Semaphore(0)
        self.on_rename: Callable[[str, str], None] = lambda old, new: None
        self.on_end: Callable[[Actor], None] = lambda actor: None

    # -- what a history does

    def start(self, name: str, host: str, body: Callable[[], Any], env: dict[str, str] | None = None) -> Actor:
        actor = Actor(name, host, 1000 + len(self.actors), body, env or {}, self.now)
        self.actors.append(actor)
        return actor

    def run(self, actor: Actor, doors: int | None = None) -> None:
        """Let a process go on for so many doors, or until it sleeps or ends."""
        if actor.is_over or (actor.is_frozen and not actor.is_dead):
            return
        if not actor.is_dead and actor.wake_at > self.now and (actor.is_deaf or not actor.signals):
            return
        actor.left = doors
        if actor.thread is None:
            actor.thread = threading.Thread(target=self._live, args=(actor,), daemon=True)
            actor.thread.start()
        before = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("SLURM")}
        os.environ.update(actor.env)
        self.current = actor
        actor.turn.release()
        assert self.back.acquire(timeout=HANDS_S), f"{actor.name} hangs"
        self.current = None
        for name in actor.env:
            os.environ.pop(name, None)
        os.environ.update(before)
        if actor.is_over and not actor.is_dead:
            self.on_end(actor)

    def kill(self, actor: Actor) -> None:
        """SIGKILL: nothing of it goes on."""
        if actor.lives:
            actor.is_dead = True
            if actor.thread is None:
                actor.is_over = True
            else:
                self.run(actor)
            assert actor.is_over, actor.name

    def advance(self, seconds: float) -> None:
        """The clock goes on, and the heartbeat of each process that lives."""
        self.now += seconds
        for actor in self.actors:
            if actor.lives and not actor.is_frozen:
                self.beat(actor)

    def beat(self, actor: Actor) -> None:
        for stop, path, word, held in [*actor.beats]:
            if stop.is_set() or not actor.lives:
                continue
            if not held():
                self.kill(actor)
            elif path.parent.is_dir():
                with REAL["open"](path, "w", opener=links.opener) as file:
                    file.write(word() or "")
                REAL["utime"](path, (self.now, self.now))

    def end(self) -> None:
        for actor in self.actors:
            self.kill(actor)

    # -- what a process meets

    def _live(self, actor: Actor) -> None:
        actor.turn.acquire()
        try:
            self.door()
            actor.code = actor.body()
        except (Killed, Exited):
            actor.is_dead = True
        except BaseException as e:
            actor.raised = e
        actor.is_over = True
        self.back.release()

    def door(self) -> None:
        """A call that another process, or a kill, may come before."""
        actor = self.current
        if actor is None or threading.current_thread() is not actor.thread:
            return
        if actor.is_dead:
            raise Killed
        self._hear(actor)
        if actor.left is not None:
            if actor.left <= 0:
                self._hand_back(actor)
            actor.left = actor.left if actor.left is None else actor.left - 1

    def _hand_back(self, actor: Actor) -> None:
        self.back.release()
        actor.turn.acquire()
        if actor.is_dead:
            raise Killed
        self._hear(actor)

    def _hear(self, actor: Actor) -> None:
        while actor.signals and not actor.is_deaf:
            signum = actor.signals.pop(0)
            actor.handlers[signum](signum, None)

    def sleep(self, seconds: float) -> None:
        self.door()
        actor = self.current
        if actor is None:
            self.now += seconds
            return
        actor.wake_at = self.now + seconds
        while actor.wake_at > self.now:
            self._hand_back(actor)

    def tick(self) -> float:
        self.now += 1e-4
        return self.now

    def pid(self) -> int:
        return self.current.pid if self.current else REAL["getpid"]()

    def exit(self, code: int) -> None:
        if self.current is None:
            REAL["_exit"](code)
        raise Exited(code)

    def started(self, pid: int) -> float:
        return next((a.begun for a in self.actors if a.pid == pid and a.lives), 0.0)

    def host(self) -> str:
        return self.current.host if self.current else "login1"

    def beats(self, path: Path, word: Callable = lambda: None, held: Callable = lambda: True) -> threading.Event:
        """In the place of liveness.beat: no thread, but a beat now and whenever the clock goes on."""
        stop, actor = threading.Event(), self.current
        self.door()
        if not held():
            self.exit(liveness.BUSY)
        if actor:
            actor.beats.append((stop, path, word, held))
            self.beat(actor)
        return stop

    # -- signals of a process

    def listen(self, signum: int, handler: Callable[[int, Any], None]) -> None:
        if self.current:
            self.current.handlers[signum] = handler

    def mask(self, how: int, signums: object) -> None:
        if self.current:
            self.current.is_deaf = False
            self._hear(self.current)


@contextmanager
def pretended(machine: Machine, modules: list[ModuleType]) -> Iterator[None]:
    """Inside, code of `modules` sees the machine's clock, processes and signals, and each of its calls is a door."""
    clock = SimpleNamespace(time=machine.tick, monotonic=machine.tick, sleep=machine.sleep)
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
        if name in ("rename", "replace") and machine.current:
            machine.on_rename(os.fspath(args[0]), os.fspath(args[1]))
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
