"""Processes that are pretended: real code of which one part runs at a time, stopped or killed at any call that
looks at or changes a store, asks SLURM, or sleeps (a door), by a clock of their own.
"""

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.histories import turns
from winsweep.paths import unlinked_opener
from winsweep.store import liveness

BEGINNING = 1_800_000_000.0
CHANGES = ("rename", "replace", "link", "mkdir", "rmdir", "unlink", "remove", "utime")
LOOKS = ("listdir", "scandir")
REAL = {name: getattr(os, name) for name in (*CHANGES, *LOOKS, "getpid")} | {"open": io.open}


class Killed(BaseException):
    """A process that is gone; nothing that it does while this is raised reaches the disk."""


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
    is_suspended: bool = False  # SIGSTOP: neither it nor its heartbeat goes on
    is_deaf: bool = True  # signals wait
    left: int | None = None  # doors until it hands back; None: until it sleeps or ends
    wake_at: float = 0.0
    signals: list[int] = field(default_factory=list)
    handlers: dict[int, Callable[[int, Any], None]] = field(default_factory=dict)
    beats: list[tuple[threading.Event, Path, Callable, Callable]] = field(default_factory=list)
    code: Any = None
    raised: BaseException | None = None
    turn: turns.Turn | None = None

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
        if actor.is_over or (actor.is_suspended and not actor.is_dead):
            return
        if not actor.is_dead and actor.wake_at > self.now and (actor.is_deaf or not actor.signals):
            return
        actor.left = doors
        if actor.turn is None:
            actor.turn = turns.turn(lambda: self._live(actor))
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
            if actor.lives and not actor.is_suspended:
                self.beat(actor)

    def beat(self, actor: Actor) -> None:
        for stop, path, word, held in [*actor.beats]:
            if stop.is_set() or not actor.lives:
                continue
            if not held():
                self.exit(liveness.BUSY, actor)
            elif path.parent.is_dir():
                with REAL["open"](path, "w", opener=unlinked_opener) as file:
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

    def read_clock(self) -> float:
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
