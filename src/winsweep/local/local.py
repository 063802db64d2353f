"""The local cluster: attempts as processes of this machine, through one fork server, several at once."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

from winsweep import layout
from winsweep.local import gpus as machine
from winsweep.paths import unlinked_opener
from winsweep.store import folders, links


class Ended(NamedTuple):
    """An attempt that is over, with its exit code."""

    id: str
    code: int


class Local:
    """Starts attempts and tells which ended; close() stops what still runs. The fork server starts with the first
    attempt.

    RuntimeError, from any call but close, if the fork server itself died.
    """

    def __init__(self, log: Path) -> None:
        self.log, self.buffer = log, b""
        self.fork_server: _ForkServer | None = None
        self.gpus = machine.here()
        self.free_gpus = list(self.gpus)
        self.held: dict[str, list[str]] = {}

    def start(self, id: str, spec: Path, ranks: int, gpus: int, log: Path) -> None:
        """Start the ranks of an attempt, with so many of the free GPUs; RuntimeError if the fork server is gone."""
        if self.fork_server is None:
            self.fork_server = _fork_server(self.log)
        server = self.fork_server
        self.held[id], self.free_gpus = self.free_gpus[:gpus], self.free_gpus[gpus:]
        seen = ",".join(self.held[id]) if self.gpus else None
        command = {"id": id, "spec": str(spec), "ranks": ranks, "log": str(log), "gpus": seen}
        try:
            server.commands.write(json.dumps(command).encode() + b"\n")
            server.commands.flush()
        except BrokenPipeError:
            raise self._died(server) from None

    def room(self, gpus: int) -> bool:
        """Whether an attempt that wants `gpus` can start now; a machine without GPUs runs everything on its CPUs."""
        return not self.gpus or len(self.free_gpus) >= gpus

    def why_never(self, gpus: int) -> str:
        """Why an attempt that wants `gpus` can never start here; "" if it can."""
        return machine.why_never(gpus, self.gpus)

    def ended(self) -> list[Ended]:
        """Attempts that ended since the last call."""
        if (server := self.fork_server) is None:
            return []
        self.buffer += _read(server)
        *lines, self.buffer = self.buffer.split(b"\n")
        found = [json.loads(line) for line in lines]
        over = [Ended(f["id"], f["code"]) for f in found if "id" in f]
        for e in over:
            self.free_gpus += self.held.pop(e.id)
        if server.process.poll() is not None and not over:
            raise self._died(server)
        return over

    def wait(self, longest_s: float) -> None:
        """Return when an attempt has ended, or after `longest_s`."""
        if self.fork_server is None:
            time.sleep(longest_s)
        else:
            select.select([self.fork_server.events], [], [], longest_s)

    def close(self) -> None:
        """Stop every attempt (SIGTERM, then SIGKILL) and wait until they are gone."""
        if (server := self.fork_server) is not None:
            with contextlib.suppress(BrokenPipeError):  # it died with a command unread
                server.commands.close()
            server.process.wait()
            server.events.close()
            self.fork_server = None

    def _died(self, server: "_ForkServer") -> RuntimeError:
        return RuntimeError(f"the process that starts attempts ended with {server.process.wait()}; its log: {self.log}")


class _ForkServer(NamedTuple):
    """The process, with the pipes to and from it."""

    process: subprocess.Popen[bytes]
    commands: IO[bytes]
    events: IO[bytes]


def _read(server: _ForkServer) -> bytes:
    try:
        return os.read(server.events.fileno(), 1 << 16)
    except BlockingIOError:
        return b""


def _fork_server(log: Path) -> _ForkServer:
    """The fork server in a session of its own, so that Ctrl-C reaches the launcher alone and it can stop attempts in
    order.
    """
    folders.make(log.parent)
    env = os.environ | layout.python_path() | {"TOKENIZERS_PARALLELISM": "false"}
    if machine.MIG in env.get(machine.VISIBLE, ""):
        # torch cannot count these without starting CUDA, which its children then could not use; each is told its own
        del env[machine.VISIBLE]
    with open(links.refuse(log), "ab", opener=unlinked_opener) as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "winsweep.attempt.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            env=env,
            start_new_session=True,
        )
    commands, events = process.stdin, process.stdout
    assert commands and events, "both are pipes"
    os.set_blocking(events.fileno(), False)
    return _ForkServer(process, commands, events)


def own_log(logs: Path) -> Path:
    """The log of attempts of this user: one beside the usual one, where that is another user's who keeps it."""
    log = logs / "attempt.log"
    is_anothers = log.exists() and log.stat().st_uid != os.getuid() and not os.access(log, os.W_OK)
    return log.with_name(f"attempt.u{os.getuid()}.log") if is_anothers else log
