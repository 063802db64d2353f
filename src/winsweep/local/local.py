"""The local cluster: attempts as processes of this machine, through one fork server, several at once."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from winsweep import layout
from winsweep.store import links


class Ended(NamedTuple):
    id: str
    code: int


class Local:
    """Starts attempts and tells which ended; close() stops what still runs. The fork server starts with the first
    attempt.

    RuntimeError, from any call but close, if the fork server itself died.
    """

    def __init__(self, log: Path) -> None:
        self.log, self.fork_server, self.buffer = log, None, b""
        self.gpus = _gpus()
        self.free_gpus = list(self.gpus)
        self.held: dict[str, list[str]] = {}

    def start(self, id: str, spec: Path, ranks: int, gpus: int, log: Path) -> None:
        if self.fork_server is None:
            self.fork_server = _fork_server(self.log)
        self.held[id], self.free_gpus = self.free_gpus[:gpus], self.free_gpus[gpus:]
        seen = ",".join(self.held[id]) if self.gpus else None
        command = {"id": id, "spec": str(spec), "ranks": ranks, "log": str(log), "gpus": seen}
        try:
            self.fork_server.stdin.write(json.dumps(command).encode() + b"\n")
            self.fork_server.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def room(self, gpus: int) -> bool:
        """Whether an attempt that wants `gpus` can start now; a machine without GPUs runs everything on its CPUs."""
        return not self.gpus or len(self.free_gpus) >= gpus

    def ended(self) -> list[Ended]:
        """Attempts that ended since the last call."""
        if self.fork_server is None:
            return []
        self.buffer += self._read()
        *lines, self.buffer = self.buffer.split(b"\n")
        found = [json.loads(line) for line in lines]
        over = [Ended(f["id"], f["code"]) for f in found if "id" in f]
        for e in over:
            self.free_gpus += self.held.pop(e.id)
        if self.fork_server.poll() is not None and not over:
            raise self._died()
        return over

    def close(self) -> None:
        """Stop every attempt (SIGTERM, then SIGKILL) and wait until they are gone."""
        if self.fork_server is not None:
            with contextlib.suppress(BrokenPipeError):  # it died with a command unread
                self.fork_server.stdin.close()
            self.fork_server.wait()
            self.fork_server.stdout.close()
            self.fork_server = None

    def _died(self) -> RuntimeError:
        return RuntimeError(
            f"the process that starts attempts ended with {self.fork_server.wait()}; its log: {self.log}"
        )

    def _read(self) -> bytes:
        try:
            return os.read(self.fork_server.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return b""


def _fork_server(log: Path) -> subprocess.Popen:
    """The fork server in a session of its own, so that Ctrl-C reaches the launcher alone and it can stop attempts in
    order.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    env = os.environ | layout.python_path() | {"TOKENIZERS_PARALLELISM": "false"}
    with open(links.refuse(log), "ab", opener=links.opener) as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "winsweep.attempt.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            env=env,
            start_new_session=True,
        )
    os.set_blocking(process.stdout.fileno(), False)
    return process


def _gpus() -> list[str]:
    """Indices of this machine's NVIDIA GPUs, or those that CUDA_VISIBLE_DEVICES allows."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [g for g in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if g]
    if shutil.which("nvidia-smi") is None:
        return []
    listing = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True
    )
    return listing.stdout.split() if listing.returncode == 0 else []
