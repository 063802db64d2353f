"""The judge as a process of its own, which may be killed: `python -m tests.chaos.judge PORT FILE SEED`. Each answer
that costs something is a line of FILE, with its time, before it leaves. One question in ten gets none that is any use.
"""

import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.judge.server import JudgeServer

FAULTS = ("429", "500", "closed", "malformed", "not json")
RARE = 0.1


class Counting(JudgeServer):
    """A judge on a port that stays, whose count outlives it."""

    def __init__(self, port: int, asked: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        super().__init__(latency_s=0.02, choose=lambda prompt, nth: self.draw(), port=port)
        self.file = os.open(asked, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def draw(self) -> str:
        return self.chance.choice(FAULTS) if self.chance.random() < RARE else "ok"

    def take(self, body: dict) -> str:
        kind = super().take(body)
        if kind == "ok":
            asked = hashlib.sha256(body["messages"][-1]["content"].encode()).hexdigest()
            os.write(self.file, f"{asked} {time.time():.3f}\n".encode())
        return kind


@contextmanager
def serving(port: int, asked: Path) -> Iterator[str]:
    """The address of a judge that runs in this process."""
    with Counting(port, asked, 0) as server:
        yield server.url


def main(port: int, asked: Path, seed: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with Counting(port, asked, seed):
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
