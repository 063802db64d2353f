"""Ranks find each other without a fixed port, say who is missing, and all learn of one rank's error."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.distributed.distributed_c10d as c10d

from tests.train.world import World, start_ranks, wait_ranks
from winsweep.attempt.endings import kind_of
from winsweep.errors import MissingInput, NotFinite
from winsweep.study.recipe import Recipe
from winsweep.train import rank_heartbeat
from winsweep.train.rank_group import RankGroup, join


def in_group(root: Path, num_ranks: int, action: Callable[[RankGroup], object], timeout_s: float = 10) -> list[str]:
    """What `action` returned or raised on each rank, as text."""

    def main(rank: int) -> None:
        group = join(rank=rank, num_ranks=num_ranks, meeting=root / "meeting", timeout_s=timeout_s)
        try:
            said = repr(action(group))
        except Exception as error:
            said = f"{type(error).__name__} {getattr(error, 'errno', None)} {error}"
        (root / f"said-{rank}").write_text(said)
        group.leave()

    assert wait_ranks(start_ranks(num_ranks, main, root / "logs")) == [0] * num_ranks
    return [(root / f"said-{rank}").read_text() for rank in range(num_ranks)]


@pytest.mark.parametrize("num_ranks", [1, 3])
def test_sum_and_first(num_ranks: int, tmp_path: Path) -> None:
    want = [float(sum(range(num_ranks))), num_ranks * 0.5]
    said = in_group(
        tmp_path, num_ranks, lambda group: (group.sum(group.rank, 0.5), group.first(lambda: group.rank + 40))
    )
    assert said == [repr((want, 40))] * num_ranks


def fail(group: RankGroup, rank: int, error: Exception) -> None:
    def action() -> None:
        if group.rank == rank:
            raise error

    group.together(lambda: None)
    group.together(action)


@pytest.mark.parametrize(
    ("error", "own", "copy"),
    [
        (
            OSError(28, "No space left on device"),
            "OSError 28 [Errno 28] No space",
            "OSError 28 [Errno 28] rank 1: No space",
        ),
        (NotFinite("step 3"), "NotFinite None step 3", "NotFinite None rank 1: step 3"),
        (MemoryError("of the host"), "MemoryError None of the", "MemoryError None rank 1: of the host"),
        (torch.OutOfMemoryError("CUDA"), "OutOfMemoryError None CUDA", "OutOfMemoryError None rank 1: CUDA"),
        (ZeroDivisionError("x"), "ZeroDivisionError None x", "RuntimeError None rank 1: ZeroDivisionError: x"),
    ],
)
def test_an_error_of_one_is_raised_by_all(error: Exception, own: str, copy: str, tmp_path: Path) -> None:
    said = in_group(tmp_path, 3, lambda group: fail(group, 1, error))
    assert said[1].startswith(own) and said[0].startswith(copy) and said[2] == said[0]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(2, "No such file or directory", "/store/.work/progress.json"), "disk"),
        (FileNotFoundError(2, "No such file or directory", "/data/rows.jsonl"), "application"),
        (ModuleNotFoundError("No module named 'winsweep.text'", name="winsweep.text"), "disk"),
        (ModuleNotFoundError("No module named 'numpy.core'", name="numpy.core"), "application"),
        (MissingInput("it is made again", "collect/0123456789ab"), "blocked"),
    ],
)
def test_the_others_end_as_the_one_whose_error_it_is(error: Exception, kind: str, tmp_path: Path) -> None:
    """A leader whose store was moved cannot say how the attempt ended; another rank then does."""

    def end(group: RankGroup) -> tuple[str, str]:
        try:
            fail(group, 1, error)
        except Exception as raised:
            return kind_of(raised, Path("/store")), getattr(raised, "key", "")
        raise AssertionError

    assert in_group(tmp_path, 2, end) == [repr((kind, getattr(error, "key", "")))] * 2


def test_rank_0_names_who_did_not_come(tmp_path: Path) -> None:
    def ranks(rank: int) -> None:
        join(rank=[0, 2][rank], num_ranks=4, meeting=tmp_path / "meeting", timeout_s=1)

    assert wait_ranks(start_ranks(2, ranks, tmp_path)) == [1, 1]
    assert "of 4 ranks these did not come: 1, 3" in (tmp_path / "rank-0.txt").read_text()


def test_others_say_that_rank_0_did_not_come(tmp_path: Path) -> None:
    pids = start_ranks(1, lambda _: join(rank=1, num_ranks=2, meeting=tmp_path / "meeting", timeout_s=0.3), tmp_path)
    assert wait_ranks(pids) == [1]
    assert "rank 1 waited 0.3 s and rank 0 did not come" in (tmp_path / "rank-0.txt").read_text()


def test_many_groups_at_once(tmp_path: Path) -> None:
    def main(who: int) -> None:
        group = join(rank=who % 2, num_ranks=2, meeting=tmp_path / f"meeting-{who // 2}", timeout_s=20)
        assert group.sum(who // 2) == [2.0 * (who // 2)]
        group.leave()

    assert wait_ranks(start_ranks(12, main, tmp_path)) == [0] * 12


def test_the_meeting_is_not_open_to_other_machines(tmp_path: Path) -> None:
    def ports() -> list[list[str]]:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return [line.split()[1].split(":") for line in lines if line.split()[3] == "0A"]

    said = in_group(tmp_path, 1, lambda group: (group.store.port, ports()))
    port, listening = eval(said[0])
    assert [address for address, number in listening if int(number, 16) == port] == ["0100007F"]  # 127.0.0.1


@pytest.mark.parametrize("zero", ["zero1", "zero3"])
def test_a_dead_rank_ends_its_peer_within_seconds(zero: str, model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, zero, 2, Recipe(global_batch=6, precision="fp32"), micro_tokens=28)
    world.on_progress = lambda rank, done: os.kill(os.getpid(), signal.SIGKILL) if (rank, done) == (1, 3) else None
    pids = world.start()
    while not ((log := world.work / "log.jsonl").exists() and log.read_text().count("\n") >= 3):
        time.sleep(0.01)
    begun = time.monotonic()
    assert wait_ranks(pids, limit_s=10) == [1, -signal.SIGKILL]
    assert time.monotonic() - begun < 8


def test_no_group_waits_longer_than_its_time_out(tmp_path: Path) -> None:
    def wait_for_a_hung_rank(group: RankGroup) -> None:
        pair = dist.new_group()
        group.limit_waits()
        dist.all_reduce(torch.ones(1), group=pair) if group.rank == 0 else time.sleep(4)

    begun = time.monotonic()
    said = in_group(tmp_path, 2, wait_for_a_hung_rank, timeout_s=1)
    assert "Timed out" in said[0] and time.monotonic() - begun < 8


@pytest.mark.parametrize("zero", ["zero2", "zero3"])
def test_the_groups_of_the_engine_are_limited(zero: str, model: Path, tmp_path: Path) -> None:
    def check(rank: int, done: int) -> None:
        backends = [group._get_backend(torch.device("cpu")) for group in dist.distributed_c10d._world.pg_map]
        assert len(backends) > 1 and {backend.options._timeout.total_seconds() for backend in backends} == {20.0}

    world = World(tmp_path, model, zero, 2, Recipe(global_batch=6, epochs=1, precision="fp32"), micro_tokens=28)
    world.on_progress = check
    world.done()


def test_a_hung_rank_ends_its_peer_at_the_time_out(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero2", 2, Recipe(global_batch=6, precision="fp32"), micro_tokens=28)
    world.timeout_s = 3.0
    world.on_progress = lambda rank, done: time.sleep(100) if (rank, done) == (1, 3) else None
    pids = world.start()
    assert wait_ranks(pids[:1], limit_s=30) == [1]
    os.kill(pids[1], signal.SIGKILL)
    assert wait_ranks(pids[1:]) == [-signal.SIGKILL]


@pytest.mark.parametrize("hung", [0, 1, 2])
def test_a_hung_rank_ends_its_peers_long_before_the_time_out(
    hung: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rank that only computes for long is left alone; one whose process is stopped is not waited for."""
    monkeypatch.setattr(rank_heartbeat, "NUM_MISSED", 6)

    def main(rank: int) -> None:
        group = join(rank=rank, num_ranks=3, meeting=tmp_path / "meeting", timeout_s=600)
        time.sleep(8 if rank == hung else 0)
        group.sum(1.0)
        if rank == hung:
            os.kill(os.getpid(), signal.SIGSTOP)
        group.sum(1.0)

    pids = start_ranks(3, main, tmp_path)
    assert wait_ranks([pid for rank, pid in enumerate(pids) if rank != hung], limit_s=60) == [1, 1]
    os.kill(pids[hung], signal.SIGKILL)
    assert wait_ranks(pids[hung : hung + 1]) == [-signal.SIGKILL]
    assert any(
        f"rank {hung} has not moved for 6 s" in (tmp_path / f"rank-{rank}.txt").read_text()
        for rank in range(3)
        if rank != hung
    )


def test_who_does_not_know_the_word_is_no_rank(tmp_path: Path) -> None:
    store = dist.HashStore()

    def stranger_first() -> None:
        port = int(store.get("heartbeat").split()[0])
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"x" * 41)
            stranger.recv(1)
        rank_heartbeat.links(store, 1, 2, "127.0.0.1", 20)[0].close()

    thread = threading.Thread(target=stranger_first)
    thread.start()
    found = rank_heartbeat.links(store, 0, 2, "127.0.0.1", 20)
    thread.join()
    assert list(found) == [1] and found[1].recv(1) == b""
    found[1].close()


def test_a_torch_that_changes_no_time_outs_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delattr(c10d, "_set_pg_timeout")
    RankGroup(0, 1, 1.0, None, None).limit_waits()
    assert "does not change the time-outs" in capsys.readouterr().err
