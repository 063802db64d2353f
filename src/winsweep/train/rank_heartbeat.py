"""Whether the processes of all ranks move: each says so to rank 0 every second, and rank 0 to each, on connections of
their own.

A rank that is dead ends the collectives of those that wait for it at once; one that hangs (a stopped process, a node
that hangs) would leave them waiting for the rank group's time-out, which must be longer than the slowest step; so
would, in a ring, one that ended for such a reason.
"""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping

import torch.distributed as dist

LOCAL = "127.0.0.1"
BEAT_S = 1.0
# beats in a row, by one's own count: a process that was stopped together with its peers has counted none meanwhile
NUM_MISSED = 20
NUM_MISSED_BY_THE_DEAD = 5  # until then a collective says more
GOODBYE = b"q"


class RankHeartbeat:
    """Beats to the peers at the other ends of `links` (rank to socket) until `end`; calls `lost` with words for one
    that is silent too long.
    """

    def __init__(self, links: Mapping[int, socket.socket], lost: Callable[[str], None]) -> None:
        self.links, self.lost, self.over = dict(links), lost, threading.Event()
        self.missed = dict.fromkeys(links, 0)
        for link in self.links.values():
            link.setblocking(False)
        if self.links:
            threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """Leave the peers in peace: what follows is no business of theirs."""
        self.over.set()
        for link in self.links.values():
            with contextlib.suppress(OSError):
                link.send(GOODBYE)
            link.close()

    def _run(self) -> None:
        while not self.over.wait(BEAT_S):
            for rank, link in list(self.links.items()):
                self._look(rank, link)

    def _look(self, rank: int, link: socket.socket) -> None:
        try:
            link.send(b".")
            heard = link.recv(4096)
        except BlockingIOError:
            heard = None
        except OSError:
            heard = b""
        self.missed[rank] = 0 if heard else self.missed[rank] + 1
        if self.over.is_set() or (heard and GOODBYE in heard):
            self.links.pop(rank, None)
        elif heard == b"" and self.missed[rank] >= NUM_MISSED_BY_THE_DEAD:
            self.lost(f"rank {rank} is gone")
        elif self.missed[rank] >= NUM_MISSED:
            self.lost(
                f"rank {rank} has not moved for {NUM_MISSED * BEAT_S:.0f} s: its process is stopped, or its node hangs"
            )


def links(store: dist.Store, rank: int, num_ranks: int, host: str, timeout_s: float) -> dict[int, socket.socket]:
    """Rank 0's connections to all others, or another rank's to rank 0, which is called `host`; TimeoutError after
    `timeout_s`.

    Who connects must know a word that only the ranks' `store` holds.
    """
    if num_ranks == 1:
        return {}
    if rank:
        port, word = store.get("heartbeat").decode().split()
        link = socket.create_connection((host, int(port)), timeout_s)
        link.sendall(f"{word} {rank:8d}".encode())
        return {0: link}
    word = secrets.token_hex(16)
    with open_door(host, num_ranks) as door:
        store.set("heartbeat", f"{door.getsockname()[1]} {word}")
        return _let_in(door, word, num_ranks, time.monotonic() + timeout_s)


def _let_in(door: socket.socket, word: str, num_ranks: int, deadline: float) -> dict[int, socket.socket]:
    found: dict[int, socket.socket] = {}
    while len(found) < num_ranks - 1:
        door.settimeout(max(0.01, deadline - time.monotonic()))
        link, _ = door.accept()
        link.settimeout(5.0)
        try:
            said = link.recv(len(word) + 9, socket.MSG_WAITALL).decode(errors="replace")
        except OSError:
            said = ""
        if said.startswith(f"{word} "):
            found[int(said[len(word) :])] = link
        else:
            link.close()
    return found


def open_door(host: str, num_ranks: int) -> socket.socket:
    """A listening socket on a port that the system chose; on one machine nobody outside it may come in."""
    return socket.create_server((LOCAL if host == LOCAL else "", 0), backlog=num_ranks)


def end_process(told: str) -> None:
    os.write(2, f"{told}: this rank ends\n".encode())
    os._exit(1)
