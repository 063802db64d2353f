"""Messages of a run, sent by apprise to a real server on loopback: once for each event, and no run waits for them."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, Bench
from tests.messages.server import SECRET, MessageServer
from tests.trackers.conftest import SMALL
from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.judge import spending
from winsweep.judge.limits import Limits
from winsweep.messages import texts
from winsweep.messages.messenger import Messenger
from winsweep.workspace import open_workspace

VARIABLE = "WINSWEEP_NOTIFY"
BAD = SMALL.replace("seeds:", "  bad: {from: toy, num_examples: 24, recipe: {lr: 1.0e+30}}\nseeds:")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("apprise") is None, reason="pip install 'winsweep[notify]'"),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Bench:
    """A study of which one cell fails, run to its end once without a word to anybody."""
    made = Bench(tmp_path_factory.mktemp("ended"), BAD)
    made.run(code=1)
    return made


@pytest.fixture
def server(monkeypatch):
    with MessageServer() as server:
        monkeypatch.setenv(VARIABLE, server.address)
        yield server


def messenger(made: Bench) -> tuple[Messenger, list]:
    workspace = open_workspace(made.study, made.store)
    cluster = read_cluster(layout.STAGES, layout.CLUSTERS / "local.yaml", workspace.need.stages)
    return Messenger(workspace, cluster), workspace.plan(workspace.facts())


def forget(made: Bench) -> None:
    for mark in (made.store / ".work/messages").glob("*"):
        mark.unlink()


def test_the_first_failure_and_the_end_are_told_once(ended, server):
    forget(ended)
    said = ended.run(code=1)
    assert "message" not in said and SECRET not in said
    failed, end = server.wait(2)
    assert failed["title"] == "winsweep: small has a failure" and end["title"] == "winsweep: small has ended"
    assert "finetune/a.bad.s1-" in failed["message"] and "NotFinite" in failed["message"]
    again = failed["message"].splitlines()[-1].removeprefix("To try again: ")
    assert again == f"python launch/sweep.py {ended.study} --store {ended.store} --retry-failed"
    assert "3 of 4 cells judged; 1 result failed" in end["message"] and "best arm: a." in end["message"]
    assert f"table: {ended.store / 'results/small.csv'}" in end["message"]
    ended.run(code=1)
    assert len(server.got) == 2
    ended.run("--retry-failed", code=1)  # a person asked for more: its end is news
    assert server.titles[2:] == ["winsweep: small has a failure"]


def test_the_best_arm_is_that_of_the_table_with_its_interval(ended, server):
    told, _ = messenger(ended)
    rows = [line.split(",") for line in (ended.store / "results/small.csv").read_text().splitlines()]
    head, cells = rows[0], rows[1:]
    value = {r[1]: [float(r[head.index(f"paired_{c}pct")]) for c in ("win_rate_", "low_", "high_")] for r in cells}
    best = max((arm for arm in value if arm != "ins"), key=lambda arm: value[arm][0])  # ins is compared with itself
    mean, low, high = value[best]
    assert texts.headline(told.workspace) == f"best arm: a.{best}, win rate {mean:.1f} % ({low:.1f} to {high:.1f})"


def test_two_launchers_send_one_message(ended, server):
    forget(ended)
    both = [ended.start() for _ in range(2)]
    assert [p.wait(200) for p in both] == [1, 1] and [p.communicate() for p in both]
    assert sorted(server.titles) == ["winsweep: small has a failure", "winsweep: small has ended"]


def test_the_address_is_in_no_file(ended, server):
    forget(ended)
    ended.run(code=1)
    assert len(server.got) == 2
    files = [p for p in ended.folder.rglob("*") if p.is_file()]
    assert files and not [p for p in files if SECRET.encode() in p.read_bytes()]


@pytest.mark.parametrize(
    "mode", ["500", "hanging", pytest.param("dripping", marks=pytest.mark.long), "refused", "nonsense"]
)
def test_a_server_that_fails_holds_nothing_up(ended, monkeypatch, mode):
    forget(ended)
    with MessageServer(mode) as server:
        addresses = {"refused": "json://127.0.0.1:9", "nonsense": f"nothing {SECRET}"}
        monkeypatch.setenv(VARIABLE, addresses.get(mode, server.address))
        told, items = messenger(ended)
        begun = time.monotonic()
        told.look(items)
        assert time.monotonic() - begun < 4  # a launcher goes on at once
        told.close([])
        forget(ended)
        said = ended.run(code=1)
        assert time.monotonic() - begun < 90
    assert "a message was not sent (variable WINSWEEP_NOTIFY): " in said and SECRET not in said


def test_without_apprise_it_says_what_to_install(ended, monkeypatch, tmp_path):
    forget(ended)
    (tmp_path / "apprise.py").write_text("raise ImportError('no apprise')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv(VARIABLE, "json://127.0.0.1:9")
    assert "pip install apprise" in ended.run(code=1)


def test_hostile_reasons_do_nothing(ended, server):
    forget(ended)
    told, items = messenger(ended)
    hostile = "x\x1b[31m\u202e <!channel> @everyone <a href='http://x'>y</a>\r\n`z`" + "long " * 200
    told.look([dataclasses.replace(i, why=hostile) if i.state == "failed" else i for i in items])
    body = server.wait(1)[0]["message"]
    told.close([])
    assert not set("\x1b\u202e<>@`\r") & set(body) and len(body) < 1000 and body.count("\n") == 2


def test_a_budget_that_is_used_up_is_an_event_of_its_own(ended, server):
    forget(ended)
    told, items = messenger(ended)
    spent = spending.Spending("gpt-4o", Limits(dollars=0.0), None)
    why = f"judge refused: {spent.refuses(1e6, 1e6)}"
    told.close([*items, dataclasses.replace(items[0], state="failed", why=why)])
    assert max(server.titles) == "winsweep: small has used up its budget" and len(server.got) == 3
    body = next(m["message"] for m in server.got if "budget" in m["title"])
    assert "the budget of $0" in body and "Raise dollars" in body and body.endswith("--retry-failed")


def test_nobody_is_told_without_an_address(ended, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    forget(ended)
    ended.run(code=1)
    assert not list((ended.store / ".work/messages").glob("*"))


def test_a_sender_ends_in_time_by_itself():
    with MessageServer("dripping") as server:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "winsweep.messages.deliver", VARIABLE],
            input=b'{"title": "t", "body": "b"}',
            env=os.environ | {VARIABLE: server.address, "PYTHONPATH": str(Path(ROOT) / "src")},
            timeout=60,
        )
    assert done.returncode != 0 and time.monotonic() - begun < 30
