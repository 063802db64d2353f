"""The ranks of one attempt: how the others learn what their leader has claimed, and which of them went without a word,
on which node.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winsweep.errors import NotFound
from winsweep.store import folders, liveness, small_files
from winsweep.store.manifest import write_atomic

CLAIM = "claim.json"
POLL_S = 0.05


class RankRegistry:
    """A directory of one attempt in which every rank signs in with its node, and out when it ends by itself, for
    whatever reason.
    """

    def __init__(self, work: Path, token: str) -> None:
        self.folder = work / f"ranks-{token}"

    @contextmanager
    def present(self, rank: int) -> Iterator[None]:
        folders.make(self.folder)
        self._entry(rank).touch()
        try:
            yield
        finally:
            self.sign_out(rank)

    def sign_out(self, rank: int) -> None:
        self._entry(rank).unlink(missing_ok=True)

    def lost_node(self, wait_s: float = 0.0) -> str:
        """The node of the ranks that are gone or hang, asked by one that has noticed; "" if they may be of several
        nodes, or of none.

        Those that are well notice too and sign out, for which they get `wait_s`; who is left on the registry is lost.
        """
        limit = time.monotonic() + wait_s
        while len(nodes := self._nodes()) > 1 and time.monotonic() < limit:
            time.sleep(POLL_S)
        return nodes.pop() if len(nodes) == 1 else ""

    def _entry(self, rank: int) -> Path:
        return self.folder / f"{rank}@{liveness.node()}"

    def _nodes(self) -> set[str]:
        try:
            return {name.partition("@")[2] for name in os.listdir(self.folder) if "@" in name}
        except FileNotFoundError:
            return set()

    def announce(self, number: int) -> None:
        """Tell the other ranks that their leader has claim `number`."""
        write_atomic(self.folder / CLAIM, json.dumps({"number": number}).encode())

    def await_leader(self, timeout_s: float) -> int:
        """The number of the leader's claim; NotFound if there is none after `timeout_s`."""
        limit = time.monotonic() + timeout_s
        while time.monotonic() < limit:
            number = (small_files.mapping(self.folder / CLAIM) or {}).get("number")
            if isinstance(number, int) and small_files.is_count(number):
                return number
            time.sleep(POLL_S)
        raise NotFound(
            f"{self.folder}: rank 0 did not claim the artifact within {timeout_s:.0f} s; its log says why; where it "
            f"was still reading its "
            f"inputs, raise timeout_s in the cluster file"
        )
