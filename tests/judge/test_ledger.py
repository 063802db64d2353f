"""What was paid for stays: through kills at any moment, torn and flipped bytes, many writers, and in every study that
asks the same.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from winsweep.judge.ledger import Ledger, place
from winsweep.judge.questions import Judgement, Question, ask_about
from winsweep.judges import alpaca
from winsweep.judges.alpaca import Options

from .asking import judge, ledger_of, lines, options
from .pairs import expected, make_pairs

# Forks a process for each line that it reads, which judges all pairs; so that a kill costs no import.
FORKER = """
import os, sys
from tests.judge.pairs import make_pairs
from tests.judge.asking import ledger_of, options
from winsweep.judge import client
from winsweep.judges import alpaca
from pathlib import Path
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        asked = options(in_flight=4)
        alpaca.annotate(make_pairs(int(line)), asked, lambda rows: None, ledger_of(Path(sys.argv[1]), asked))
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
SAID = {"text": "m"}


def question(i: int) -> Question:
    return Question(f"Q{i}", "a", "b")


def told(preference: float = 1.25) -> Judgement:
    return Judgement(preference, SAID, "served", "2026-11-26T00:00:00+00:00", (100, 1))


def opened(folder) -> Ledger:
    return Ledger(folder, {"judge": "x"})


def test_kills_at_twenty_moments_lose_only_what_was_under_way(server, tmp_path):
    num, num_kills, server.latency_s = 210, 20, 0.01
    command = [sys.executable, "-c", FORKER, str(tmp_path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as forker:
        ends = []
        for at in [*(10 * (k + 1) for k in range(num_kills)), 10**9]:
            print(num, file=forker.stdin, flush=True)
            pid = int(forker.stdout.readline())
            limit = time.monotonic() + 120
            while len(server.requests) < at < 10**9 and time.monotonic() < limit:
                time.sleep(0.001)
            if at < 10**9:
                os.kill(pid, signal.SIGKILL)
            ends.append(int(forker.stdout.readline()))
        forker.stdin.close()
    assert ends == [-signal.SIGKILL] * num_kills + [0]
    assert num <= len(server.requests) <= num + num_kills * 4 and max(server.times.values()) <= 1 + num_kills
    assert sum(n - 1 for n in server.times.values()) <= num_kills * 4
    before = len(server.requests)
    assert judge(make_pairs(num), options(), tmp_path) == pytest.approx(
        {p["instruction"]: expected(p) for p in make_pairs(num)}, abs=1e-9
    )
    assert len(server.requests) == before and len({line["key"] for line in lines(tmp_path)}) == num


def test_a_judgement_is_on_disk_when_it_was_added(tmp_path):
    mine = opened(tmp_path)
    mine.find([])
    mine.add(question(1), told())
    assert opened(tmp_path).find([question(1), question(2)]) == {question(1): told()}


def test_what_is_torn_or_changed_is_not_believed_and_the_rest_is(tmp_path):
    mine = opened(tmp_path)
    for i in range(4):
        mine.add(question(i), told(1 + i / 10))
    mine.close()
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes()
    rows = whole.split(b"\n")
    rows[1] = rows[1].replace(b'"preference": 1.1', b'"preference": 1.9')
    rows[2] = rows[2].replace(b'"preference": 1.2', b'"preference": 9.9')
    path.write_bytes(b"\n".join(rows)[:-20])  # the last line is torn
    assert opened(tmp_path).find(map(question, range(4))) == {question(0): told(1.0)}
    for cut in range(0, len(whole), 37):
        path.write_bytes(whole[:cut])
        found = opened(tmp_path).find(map(question, range(4)))
        assert len(found) == whole[:cut].count(b"\n") and all(j == told(j.preference) for j in found.values())


def test_writers_never_share_a_file_and_see_each_other(tmp_path):
    one, two = opened(tmp_path), opened(tmp_path)
    assert one.find(map(question, range(9))) == two.find(map(question, range(9))) == {}
    one.add(question(1), told())
    two.add(question(2), told(1.5))
    one.waste((70, 30))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert two.news() == {question(1): told()} and two.news() == {} and one.news() == {question(2): told(1.5)}
    assert one.tokens == two.tokens or (one.tokens, two.news(), two.tokens) == ([270, 32], {}, [270, 32])
    assert json.loads((tmp_path / "judge.json").read_bytes()) == {"judge": "x"}


def test_another_judge_or_another_order_knows_nothing_of_it(tmp_path):
    mine = opened(tmp_path)
    mine.add(Question("Q", "a", "b"), told())
    assert not opened(tmp_path).find([Question("Q", "b", "a"), Question("Q ", "a", "b")])
    assert not Ledger(tmp_path, {"judge": "y"}).find([Question("Q", "a", "b")])
    asked = [
        Options(model="m"),
        Options(model="n"),
        Options(model="m", config="gpt4_turbo"),
        Options(model="m", both_orders=True),
    ]
    places = [place(tmp_path, "alpaca", 1, alpaca.identity(o))[0] for o in asked]
    assert len(set(places)) == 3 and places[0] == places[3]  # the order is part of each question
    assert place(tmp_path, "alpaca", 2, alpaca.identity(asked[0]))[0] != places[0]


def test_a_full_disk_ends_the_work_and_leaves_what_is_whole(tmp_path, monkeypatch):
    mine, write = opened(tmp_path), os.write
    mine.add(question(1), told())
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:40]))
    with pytest.raises(OSError, match="No space left"):
        mine.add(question(2), told())
    monkeypatch.undo()
    mine.add(question(3), told(1.75))  # into a new file: the torn line stays the last of its own
    assert opened(tmp_path).find(map(question, range(4))) == {question(1): told(), question(3): told(1.75)}


def test_what_another_process_is_told_meanwhile_is_not_asked(server, tmp_path):
    server.latency_s = 0.05
    pairs, asked, rows = make_pairs(40), options(in_flight=1), []
    late = [ask_about(p, "hash")[0].question for p in pairs[20:]]

    def keep(new: list[dict]) -> None:
        if new and not rows:
            other = ledger_of(tmp_path, asked)
            for q in late:
                other.add(q, told(1.125))
        rows.extend(new)

    alpaca.annotate(pairs, asked, keep, ledger_of(tmp_path, asked))
    found = {row["instruction"]: row["preference"] for row in rows}
    assert len(rows) == len(found) == 40 and len(server.requests) < 40
    assert [found[p["instruction"]] for p in pairs[39:]] in ([1.125], [1.875])
