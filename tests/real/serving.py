"""`transformers serve` on this machine: a real server of a real model, as people have it behind a judge."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

START_S = 300  # torch and transformers are imported, on a machine that does other things too


class Serving:
    """Use as a context; `url` is that of its OpenAI-compatible endpoint."""

    def __init__(self, model: Path, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.model, self.log = model, log

    def __enter__(self) -> "Serving":
        command = [str(Path(sys.executable).parent / "transformers"), "serve", str(self.model)]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu", "--dtype", "float32"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*command, *where], stdout=log, stderr=log, env=os.environ.copy())
        end = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(self.log.read_text()[-2000:])
            time.sleep(0.5)
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
