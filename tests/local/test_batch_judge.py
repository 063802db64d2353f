"""A study whose judge is asked by batches, from its YAML to its CSV, on this machine: an attempt that waits ends, and
goes on later.
"""

import json
import shutil

import pytest

from tests.judge.batch_server import BatchServer
from tests.judge.server import JudgeServer
from tests.local.conftest import Bench
from tests.local.test_paid_judge import KEY, STUDY

WAIT_S = 6.0  # longer than an attempt stays for


@pytest.fixture
def server(monkeypatch):
    with BatchServer(looks=2) as running:
        running.retry_after = WAIT_S
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def test_a_study_is_judged_in_batches(tmp_path, server, monkeypatch):
    bench = Bench(tmp_path, STUDY.replace("local-judge,", "local-judge, limits: {batch: true},"))
    assert "2 of 2 cells" in bench.run("--verbose")
    assert len(server.batches) == 1 and set(server.asked.values()) == {1} and max(server.good.values()) == 1
    ends = [json.loads(p.read_bytes()) for p in bench.store.glob(".work/judge/*/ends/*.json")]
    assert {e["kind"] for e in ends} >= {"waiting", "done"} and {e["kind"] for e in ends} <= {
        "waiting",
        "done",
        "already",
    }
    told = next(e for e in ends if e["kind"] == "waiting")
    assert "batch batch_0000: 0 of 60 answered, in_progress, since" in told["reason"] and told["until"] > told["begun"]
    assert not [p for p in bench.store.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
    rows, table = annotations(bench), bench.csv()
    nothing_was_judged(bench)
    bench.write(STUDY)
    with JudgeServer() as calls, monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", calls.url)
        bench.run()
    assert rows == annotations(bench) and table == bench.csv() and sum(calls.paid.values()) == 60


def nothing_was_judged(bench: Bench) -> None:
    for name in ("judge", ".judged", "aggregate", "results", ".work/judge", ".work/aggregate"):
        shutil.rmtree(bench.store / name)


def annotations(bench: Bench) -> list[list[dict]]:
    """Rows of each comparison, without dates."""
    files = sorted(bench.store.glob("judge/*/annotations.json"))
    return [[row | {"date": ""} for row in json.loads(path.read_bytes())] for path in files]
