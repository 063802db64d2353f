"""How the ranks of one attempt meet, and how all of them learn that one has failed."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.distributed.distributed_c10d as c10d

import winsweep.errors
from winsweep import ownership
from winsweep.errors import Incomplete, WinsweepError
from winsweep.store import folders
from winsweep.store.manifest import write_atomic
from winsweep.train.rank_heartbeat import LOCAL, RankHeartbeat, end_process, links, open_door

ADDRESS = "address.json"
POLL_S = 0.02
# by these an attempt's end tells what may pass by itself from what may not
CARRIED = ("errno", "strerror", "filename", "name", "key")
OUT_OF_MEMORY = {e.__name__: e for e in (MemoryError, torch.OutOfMemoryError)}  # an attempt's end tells these apart
T = TypeVar("T")


class Absent(Incomplete):
    """A rank did not come: it hangs or is gone, which another attempt may be spared."""

    kind = "hang"


@dataclass(frozen=True)
class RankGroup:
    """The ranks that train together; every method but `leave` must be called by all of them, in the same order."""

    rank: int
    num_ranks: int
    timeout_s: float
    store: dist.TCPStore  # kept alive: rank 0's holds the server
    heartbeat: RankHeartbeat

    def sum(self, *values: float) -> list[float]:
        """The sums over all ranks, in float64; the same bits on every rank."""
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def agree(self, error: Exception | None) -> None:
        """Return if no rank has an error; otherwise every rank raises: its own, or a copy of that of the lowest failed
        rank.
        """
        if self.sum(error is not None) == [0.0]:
            return
        told = self.gather(error and (type(error).__name__, str(error), _carried(error)))
        raise error or _copy(*next((rank, *text) for rank, text in enumerate(told) if text))

    def together(self, action: Callable[[], T]) -> T:
        """Do `action`, which holds no collective that an error could skip, on every rank; if it fails on one, all
        raise.
        """
        try:
            result = action()
        except Exception as error:
            self.agree(error)
            raise
        self.agree(None)
        return result

    def first(self, action: Callable[[], T]) -> T:
        """Do `action` on rank 0 and give its result to all; if it fails, all raise."""
        told: list = [self.together(action if self.rank == 0 else lambda: None)]
        dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        return told[0]

    def gather(self, value: T) -> list[T]:
        """What every rank gave, in the order of ranks."""
        told: list = [None] * self.num_ranks
        dist.all_gather_object(told, value)
        return told

    def limit_waits(self) -> None:
        """Put this group's time-out on every process group; DeepSpeed makes some that have the default of ten minutes
        or more. Where torch has no such door, the heartbeat alone finds who hangs.
        """
        groups = getattr(getattr(c10d, "_world", None), "pg_map", None)
        limit = getattr(c10d, "_set_pg_timeout", None)
        if groups is None or limit is None:
            print("this torch does not change the time-outs of its process groups", file=sys.stderr, flush=True)
            return
        for group in list(groups):
            limit(timedelta(seconds=self.timeout_s), group)

    def leave(self) -> None:
        self.heartbeat.end()
        if dist.is_initialized():
            dist.destroy_process_group()


def join(
    *,
    rank: int,
    num_ranks: int,
    meeting: Path,
    timeout_s: float,
    host: str = LOCAL,
    lost: Callable[[str], None] | None = None,
) -> RankGroup:
    """A RankGroup of which every rank is present, met through the directory `meeting`, which must be new for every
    attempt.

    Rank 0 listens on a port the system chose and posts `host` and that port, so no two attempts can collide; ranks on
    other machines need the name of rank 0's as its `host`. Absent names who did not come within `timeout_s`. `lost` is
    called, in a thread, once a rank hangs (see rank_heartbeat); without it this process ends then.
    """
    limit = timedelta(seconds=timeout_s)
    deadline = time.monotonic() + timeout_s
    if rank == 0:
        store = _listen(host, num_ranks, limit)
        _post(meeting, host, store.port)
        _await_all(store, num_ranks, deadline, timeout_s)
    else:
        host, port = _find(meeting, rank, deadline, timeout_s)
        store = dist.TCPStore(host, port, num_ranks, False, limit, wait_for_workers=False)
        store.set(f"here/{rank}", "")
        store.wait(["all here"], limit)
    heartbeat = RankHeartbeat(links(store, rank, num_ranks, host, timeout_s), lost or end_process)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(
        backend, store=dist.PrefixStore("group", store), rank=rank, world_size=num_ranks, timeout=limit
    )
    return RankGroup(rank, num_ranks, timeout_s, store, heartbeat)


def _listen(host: str, num_ranks: int, limit: timedelta) -> dist.TCPStore:
    door = open_door(host, num_ranks)
    port = door.getsockname()[1]
    return dist.TCPStore(LOCAL, port, num_ranks, True, limit, wait_for_workers=False, master_listen_fd=door.detach())


def _post(meeting: Path, host: str, port: int) -> None:
    folders.make(meeting)
    write_atomic(meeting / ADDRESS, json.dumps({"host": host, "port": port}).encode(), is_own=True)


def _find(meeting: Path, rank: int, deadline: float, timeout_s: float) -> tuple[str, int]:
    # Listing the directory sees a new file on NFS long before asking for it by name does.
    while not (meeting.is_dir() and ADDRESS in os.listdir(meeting)):
        if time.monotonic() > deadline:
            raise Absent(f"{meeting}: rank {rank} waited {timeout_s:g} s and rank 0 did not come; see rank 0's log")
        time.sleep(POLL_S)
    address = json.loads(ownership.read_own(meeting / ADDRESS, "the ranks run what comes from there"))
    return address["host"], address["port"]


def _await_all(store: dist.TCPStore, num_ranks: int, deadline: float, timeout_s: float) -> None:
    missing = list(range(1, num_ranks))
    while missing := [rank for rank in missing if not store.check([f"here/{rank}"])]:
        if time.monotonic() > deadline:
            names = ", ".join(map(str, missing))
            raise Absent(
                f"the ranks' meeting: after {timeout_s:g} s, of {num_ranks} ranks these did not come: {names}; see "
                f"their logs"
            )
        time.sleep(POLL_S)
    store.set("all here", "")


def _carried(error: Exception) -> dict:
    found = {name: getattr(error, name, None) for name in CARRIED}
    return {name: value for name, value in found.items() if isinstance(value, (int, str))}


def _copy(rank: int, kind: str, text: str, carried: dict) -> Exception:
    said = f"rank {rank}: {text}"
    if "errno" in carried:
        return OSError(carried["errno"], f"rank {rank}: {carried.get('strerror', text)}", carried.get("filename"))
    if kind in ("ImportError", "ModuleNotFoundError"):
        return ImportError(said, name=carried.get("name"))
    known = getattr(winsweep.errors, kind, None)
    if isinstance(known, type) and issubclass(known, WinsweepError):
        return known(said, *([carried["key"]] if "key" in carried else []))
    if kind in OUT_OF_MEMORY:
        return OUT_OF_MEMORY[kind](said)
    return RuntimeError(f"rank {rank}: {kind}: {text}")
