"""A study on a real SLURM is watched: what waits and why, while SLURM is away, and to its end."""

import re

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.desk import Desk
from winsweep.watch import rows
from winsweep.watch.draw import Log, board
from winsweep.watch.look import Watcher
from winsweep.watch.rows import Choice
from winsweep.workspace import open_workspace


def test_the_queue_is_told_and_a_slurm_that_is_away_and_the_end(testbed: Testbed, tmp_path, monkeypatch):
    desk = Desk(tmp_path, testbed)
    assert f"next     watch it: python launch/status.py {desk.folder}/study.yaml" in desk.sweep()
    monkeypatch.setenv("SLURM_CONF", testbed.env["SLURM_CONF"])
    watcher = Watcher(open_workspace(desk.folder / "study.yaml", desk.store))
    assert watcher.look(asks=False).queue.trouble == "it is being asked"
    seen = watcher.look()
    queued = [r for r in seen.results if r.state == "queued"]
    assert queued and all(re.match(r"job \d+_\d+: [a-z]|was submitted", r.why) for r in queued)
    assert seen.queue and seen.queue.asked_at and not seen.queue.trouble and str(desk.folder / "c.yaml") in seen.retry
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none"))
    watcher.next_queue = 0.0  # as if a minute had passed
    away = watcher.look()
    assert away.queue and away.queue.trouble and away.queue.asked_at == seen.queue.asked_at
    table = rows.table(away, "arms")
    drawn_lines = board(away, table, Choice(), Log(), "", 0.0, 80, 24)
    drawn = "\n".join("".join(text for text, _ in line) for line in drawn_lines)
    assert "SLURM's queue is not known: squeue" in drawn and "inputs  finetune" in drawn
    monkeypatch.setenv("SLURM_CONF", testbed.env["SLURM_CONF"])
    wait_for(lambda: not testbed.run("squeue", "-h"), 240)
    watcher.next_queue = 0.0
    done = watcher.look()
    assert (done.num_done, done.num_left) == (2, 0)
    assert {r.state for r in done.results} == {"done"}
