"""The process that forks attempts: it imports nothing that its attempts do not need."""

import time
from pathlib import Path

import pytest

from winsweep.local.local import Local


def test_an_attempt_without_a_model_does_not_wait_for_torch(tmp_path):
    cluster, spec = Local(tmp_path / "fork_server.log"), tmp_path / ".work/judge/0123456789ab/spec.json"
    try:
        # there is no such spec, which the attempt says itself
        cluster.start("judge/0123456789ab", spec, 1, 0, tmp_path / "attempt.log")
        limit = time.monotonic() + 120
        while not (over := cluster.ended()) and time.monotonic() < limit:
            time.sleep(0.02)
        assert [(e.id, e.code) for e in over] == [("judge/0123456789ab", 1)] and "spec.json" in (
            tmp_path / "attempt.log"
        ).read_text()
        assert "libtorch" not in Path(f"/proc/{cluster.fork_server.process.pid}/maps").read_text()
    finally:
        cluster.close()


def test_a_fork_server_that_is_gone_is_named_by_whoever_speaks_to_it_next(tmp_path):
    cluster, spec = Local(tmp_path / "fork_server.log"), tmp_path / ".work/judge/0123456789ab/spec.json"
    cluster.start("judge/0123456789ab", spec, 1, 0, tmp_path / "attempt.log")
    cluster.fork_server.process.kill()
    cluster.fork_server.process.wait()
    with pytest.raises(RuntimeError, match="fork_server.log"):
        cluster.start("judge/123456789abc", spec, 1, 0, tmp_path / "attempt.log")
    with pytest.raises(RuntimeError, match=r"fork_server.log"):  # noqa: PT012  # it takes a while to notice
        while True:
            cluster.ended()
    cluster.close()
