"""An attempt that waits ends without a fault: it costs no budget, the next one begins at its time, and a chain of
finalizers goes on meanwhile.
"""

import json
import re
import time

import pytest

from tests.core import faulty
from tests.core.chains import PLACED, cells
from tests.core.test_finalizer import queue, run_queue  # noqa: F401  # a fixture
from winsweep import layout
from winsweep.artifact import closure
from winsweep.attempt.retry import BUDGET, GENERATIONS, ChainProgress
from winsweep.cluster_file import read_cluster
from winsweep.local import controller
from winsweep.plan import Facts, plan
from winsweep.slurm import halt, reconcile
from winsweep.slurm.chain import arrays, not_before
from winsweep.slurm.pending_finalizers import FINALIZER_FILE

TURNS = 1 + max(BUDGET, GENERATIONS)
WAITS = """
import pathlib, time
count = pathlib.Path({count!r})
turn = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (turn + 1))
if turn < {turns}:
    raise errors.Waiting("batch b1: 0 of 3 answered", time.time() + {seconds})
"""


def waiting_workspace(tmp_path, monkeypatch, seconds: float):
    code = WAITS.format(count=str(tmp_path / "count"), turns=TURNS, seconds=seconds)
    monkeypatch.setitem(faulty.FAULTS, "waits", code)
    workspace = faulty.workspace_of(tmp_path, [("judge", "waits")])
    faulty.use(monkeypatch, faulty.checkout(tmp_path / "code"))
    return workspace


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_chain_goes_on_as_often_as_it_must_wait(tmp_path, queue, monkeypatch):  # noqa: F811
    """The queue's time is not waited for; every submission after the first says when to begin."""
    workspace = waiting_workspace(tmp_path, monkeypatch, 900)
    cluster = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages)
    reconcile.reconcile(workspace, cluster)
    for _ in range(TURNS):
        ((path, folder),) = run_queue(queue, monkeypatch)
        (item,) = [i for i in workspace.plan(workspace.facts()) if i.state == "ready"]
        assert "batch b1: 0 of 3 answered" in item.why and 800 < item.begin - time.time() <= 900
        path.rename(path.with_suffix(".json.over"))
        before = ChainProgress(**json.loads((folder / FINALIZER_FILE).read_bytes())["chain_progress"])
        assert reconcile.reconcile(workspace, cluster, own_job=path.stem, before=before).submitted
    run_queue(queue, monkeypatch)
    assert [i.state for i in workspace.plan(workspace.facts())] == ["done"]
    assert halt.reason(workspace.store, "faulty") == "" and ends(workspace) == ["waiting"] * TURNS + ["done"]
    scripts = [p.read_text() for p in tmp_path.rglob("array_submission.sh") if "winsweep.slurm.node" in p.read_text()]
    begins = [int(found[1]) for text in scripts if (found := re.search(r"--begin=now\+(\d+)", text))]
    assert len(scripts) == TURNS + 1 and len(begins) == TURNS and 800 < min(begins) <= max(begins) <= 900


@pytest.mark.slow
def test_a_run_on_this_machine_sleeps_and_goes_on(tmp_path, monkeypatch):
    workspace = waiting_workspace(tmp_path, monkeypatch, 0.3)
    (tmp_path / "c.yaml").write_text("kind: local\n")
    placements = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages).placements
    monkeypatch.setattr(controller, "RESCAN_S", 0.1)
    monkeypatch.setattr(controller, "publish_analyses", lambda workspace: None)
    monkeypatch.setattr(controller, "report_note", lambda workspace: "")
    run, items = controller.drive(workspace, placements, 1, False, lambda *_: None)
    assert [i.state for i in items] == ["done"] and run.num_started == TURNS + 1
    assert ends(workspace) == ["waiting"] * TURNS + ["done"]


def ends(workspace) -> list[str]:
    (key,) = [a.key for a in workspace.order]
    store = workspace.store
    return [store.end_of(key, n)["kind"] for n in range(1, store.latest(key) + 1)]


def test_an_array_begins_when_the_first_of_its_tasks_may():
    """What is ready now is not held up by a neighbour that waits."""
    wanted = cells(3)
    judged = {a.key for a in wanted}
    facts = Facts(
        present=below(wanted),
        waits={a.key: (1000.0 + n, "a batch") for n, a in enumerate(wanted)},
    )
    items = plan(wanted, facts)
    assert {i.artifact.key for i in items if i.begin} == judged
    found = arrays(items, PLACED, 1000)
    for begins, at_s in (
        ({a.key: 1000.0 + n for n, a in enumerate(wanted)}, 100),
        ({wanted[0].key: 1000.0}, 0),
        ({a.key: 1.0 for a in wanted}, 0),
    ):
        assert [array.begin_s for array in not_before(found, begins, 900.0)] == [at_s]


def below(wanted) -> set[str]:
    return {a.key for a in closure(wanted)} - {a.key for a in wanted}
