"""Processes that are pretended: real code in threads of which one runs at a time, stopped or killed at any call that
looks at or changes a store, asks SLURM, or sleeps (a door), by a clock of their own.
"""

import importlib.util
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

greenlet = importlib.import_module("greenlet") if importlib.util.find_spec("greenlet") else None
BEGINNING = 1_800_000_000.0
HANDS_S = 20.0  # of real time; a thread that is silent for so long hangs
CHANGES = ("rename", "replace", "link", "mkdir", "rmdir", "unlink", "remove", "utime")
LOOKS = ("listdir", "scandir")
REAL = {name: getattr(os, name) for name in (*CHANGES, *LOOKS, "getpid", "_exit")} | {"open": io.open}


class Killed(BaseException):
    """A process that is gone; nothing that it does while this is raised reaches the disk."""


class ThreadTurn:
    """The hand-over between who lets a process go on and the thread that is it."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.mine, self.theirs = threading.Semaphore(0), threading.Semaphore(0)

        def live() -> None:
            self.mine.acquire()
            body()
            self.theirs.release()

        threading.Thread(target=live, daemon=True).start()

    def go(self) -> None:
        self.mine.release()
        assert self.theirs.acquire(timeout=HANDS_S), "a process hangs"

    def back(self) -> None:
        self.theirs.release()
        self.mine.acquire()


class GreenletTurn:
    """The same without threads, which is quicker on a machine that is busy; where the package is installed."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.greenlet = greenlet.greenlet(body)

    def go(self) -> None:
        self.greenlet.switch()

    def back(self) -> None:
        self.greenlet.parent.switch()


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
    has_exited: bool = False  # by os._exit: dead, and its parent is told
    is_frozen: bool = False  # SIGSTOP: neither it nor its heartbeat goes on
    is_deaf: bool = True  # signals wait
    left: int | None = None  # doors until it hands back; None: until it sleeps or ends
    wake_at: float = 0.0
    signals: list[int] = field(default_factory=list)
    handlers: dict[int, Callable[[int, Any], None]] = field(default_factory=dict)
    beats: list[tuple[threading.Event, Path, Callable, Callable]] = field(default_factory=list)
    code: Any = None
    raised: BaseException | None = None
    turn: ThreadTurn | GreenletTurn | None = None

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
        if actor.turn is None:
            actor.turn = (GreenletTurn if greenlet else ThreadTurn)(lambda: self._live(actor))
        before = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("SLURM")}
        os.environ.update(actor.env)
        self.current = actor
        actor.turn.go()
        self.current = None
        for name in actor.env:
            os.environ.pop(name, None)
        os.environ.update(before)
        if actor.is_over and (actor.has_exited or not actor.is_dead):
            self.on_end(actor)

    def kill(self, actor: Actor) -> None:
        """SIGKILL: nothing of it goes on."""
        if actor.lives:
            actor.is_dead = True
            if actor.turn is None:
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
                self.exit(liveness.BUSY, actor)
            elif path.parent.is_dir():
                with REAL["open"](path, "w", opener=links.opener) as file:
                    file.write(word() or "")
                REAL["utime"](path, (self.now, self.now))

    def end(self) -> None:
        for actor in self.actors:
            self.kill(actor)

    # -- what a process meets

    def _live(self, actor: Actor) -> None:
        try:
            self.door()
            actor.code = actor.body()
        except Killed:
            pass
        except BaseException as e:
            actor.raised = e
        actor.is_over = True

    def door(self) -> None:
        """A call that another process, or a kill, may come before."""
        actor = self.current
        if actor is None:
            return
        if actor.is_dead:
            raise Killed
        self._hear(actor)
        if actor.left is not None:
            if actor.left <= 0:
                self._hand_back(actor)
            actor.left = actor.left if actor.left is None else actor.left - 1

    def _hand_back(self, actor: Actor) -> None:
        assert actor.turn
        actor.turn.back()
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

    def exit(self, code: int, actor: Actor | None = None) -> None:
        """os._exit, by any thread of a process."""
        actor = actor or self.current
        assert actor
        actor.has_exited, actor.code = True, code
        if actor is not self.current:
            return self.kill(actor)
        actor.is_dead = True
        raise Killed

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
