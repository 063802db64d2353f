"""Answers that are finished, kept as they come: a line each, so that whatever ends an attempt costs the unfinished ones
alone.
"""

import hashlib
import json
import os
import time
import uuid
from pathlib import Path
from typing import BinaryIO

SYNC_S = 2.0  # how much of its work a power cut may take; a killed process loses nothing that it has written


class RowLog:
    """The rows that any attempt (or rank) has finished in a directory; each writer has a file of its own there, so none
    can tear another's line.

    A line that is not whole, as a power cut may leave, is as if it were not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / f"rows-{uuid.uuid4().hex[:12]}.jsonl"
        self.file: BinaryIO | None = None
        self.synced = 0.0

    def __enter__(self) -> "RowLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            os.fsync(self.file.fileno())
            self.file.close()

    def read(self) -> dict[int, list[int]]:
        """Row to the tokens of its answer."""
        found: dict[int, list[int]] = {}
        for path in sorted(self.folder.glob("rows-*.jsonl")):
            for line in path.read_bytes().splitlines():
                mark, _, body = line.partition(b" ")
                if mark == _mark(body):
                    row, tokens = json.loads(body)
                    found.setdefault(row, tokens)
        return found

    def add(self, row: int, tokens: list[int]) -> None:
        if self.file is None:
            self.file = open(self.path, "xb", buffering=0)  # noqa: SIM115  # as long as this object lives
        body = json.dumps([row, tokens], separators=(",", ":")).encode()
        self.file.write(_mark(body) + b" " + body + b"\n")
        if time.monotonic() - self.synced > SYNC_S:
            os.fsync(self.file.fileno())
            self.synced = time.monotonic()


def _mark(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:12].encode()
