"""The finalizer of a study tells its trackers and a person, once, and the jobs in between do not."""

import importlib.util
import json

import pytest

from tests.messages.server import SECRET, MessageServer
from tests.slurm.conftest import wait_for
from tests.slurm.desk import CLUSTER, Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tensorboard", "apprise"))),
    reason="pip install 'winsweep[trackers,notify]'",
)
def test_a_finalizer_writes_to_trackers_and_sends_the_end(tmp_path, testbed):
    desk = Desk(tmp_path, testbed)
    (tmp_path / "c.yaml").write_text(f"{CLUSTER}track: [tensorboard]\nnotify: MY_CHANNEL\n")
    with MessageServer() as server:
        testbed.env["MY_CHANNEL"] = server.address
        try:
            desk.sweep()
        finally:
            del testbed.env["MY_CHANNEL"]
        wait_for(lambda: server.got, 300)
        wait_for(lambda: not testbed.run("squeue", "--noheader"), 120)
        desk.sweep()  # all is there: nothing is submitted, and nothing is said again
        assert server.titles == ["winsweep: small is finished"], server.got
    assert "2 of 2 cells judged" in server.got[0]["message"]
    assert f"table: {desk.store / 'results/small.csv'}" in server.got[0]["message"]
    figures = list((desk.store / ".trackers/tensorboard/small").rglob("events.out.tfevents.1.figures"))
    assert len(figures) == 3 and all(path.stat().st_size > 100 for path in figures)
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert not kept
    log = next(desk.store.glob(".work/finetune/*/state-*/log.jsonl"), None) or next(
        desk.store.glob("finetune/*/log.jsonl")
    )
    assert json.loads(log.read_text().splitlines()[0])["step"] == 1
