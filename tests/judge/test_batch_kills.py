"""A process that judges by batches is killed again and again, beside an endpoint that loses lines, answers and
connections: nothing is asked twice that was answered, nothing is lost, and the rows are those of calls.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from .batch_server import LINE_FAULTS, BatchServer
from .batching import by_calls, undated
from .conftest import KEY
from .pairs import make_pairs

ROOT = Path(__file__).resolve().parents[2]
SHARE, MOST_FAULTS = 0.3, 3  # of requests that are answered wrongly, and times that this happens to one at most


class Faulty:
    """What happens to requests: a share of them goes wrong, by chance."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.dealt = rng, Counter()

    def __call__(self, key: str, nth: int) -> str:
        if nth > MOST_FAULTS or self.rng.random() > SHARE:
            return "ok"
        self.dealt[key] += 1
        return self.rng.choice(LINE_FAULTS)


def calls_go_wrong(rng: random.Random) -> dict[str, list]:
    def some(*kinds) -> list:
        return [rng.choice(kinds) if rng.random() < SHARE else None for _ in range(400)]

    return {
        "POST batches$": some("lost", "dropped", 503),
        "POST files": some("lost", "dropped", 429),
        "GET files": some("short", 502),
        "GET batches/": some(500, "dropped"),
        r"GET batches\?": some(503),
    }


def start(store: Path, num: int, out: Path) -> subprocess.Popen:
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    words = [sys.executable, "-m", "tests.judge.batch_worker", str(store), str(num), str(out)]
    return subprocess.Popen(words, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_amid(server: BatchServer, worker: subprocess.Popen, rng: random.Random) -> bool:
    """SIGKILL after a few more calls, at any moment of the next one; False if the work was over before."""
    seen, limit = len(server.calls) + rng.randrange(1, 8), time.monotonic() + 120
    while len(server.calls) < seen and worker.poll() is None and time.monotonic() < limit:
        time.sleep(0.001)
    time.sleep(rng.random() * 0.05)
    is_over = worker.poll() is not None
    worker.kill()
    worker.communicate()
    return not is_over


def judge_and_kill(tmp_path, monkeypatch, num: int, num_kills: int, seed: int) -> BatchServer:
    rng, out = random.Random(seed), tmp_path / "rows.json"
    faulty = Faulty(rng)
    with BatchServer(faulty, looks=2, seed=seed) as server:
        server.extras, server.faults, server.page, server.retry_after = 0.1, calls_go_wrong(rng), 3, 0.03
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        killed = 0
        while killed < num_kills and not out.exists():
            killed += kill_amid(server, start(tmp_path / "store", num, out), rng)
        two = [start(tmp_path / "store", num, out), start(tmp_path / "store", num, tmp_path / "other.json")]
        for worker in two:
            said = worker.communicate(timeout=600)[1].decode()
            assert worker.returncode == 0, said
        server.work_off()
    assert killed == num_kills
    assert out.read_bytes() == (tmp_path / "other.json").read_bytes()
    assert out.read_bytes() == undated(by_calls(make_pairs(num), tmp_path / "calls", monkeypatch))
    assert len(server.good) == num and set(server.good.values()) == {1}
    assert server.asked == Counter({key: 1 + faulty.dealt[key] for key in server.asked})
    wasted = sum(path.read_bytes().count(b'"key": "wasted"') for path in (tmp_path / "store").rglob("batch-*.jsonl"))
    print(
        f"{num} judgements, {sum(server.asked.values())} requests in {len(server.batches)} batches, {wasted} wasted, "
    )
    print(f"{killed} kills, calls: {Counter(c.split('/')[0].split('?')[0] for c in server.calls)}")
    return server


def test_kills_lose_nothing_and_double_nothing(tmp_path, monkeypatch):
    judge_and_kill(tmp_path, monkeypatch, 100, 4, seed=1)


@pytest.mark.long
def test_twenty_kills_of_five_thousand_judgements(tmp_path, monkeypatch):
    judge_and_kill(tmp_path, monkeypatch, 5000, 20, seed=2)
