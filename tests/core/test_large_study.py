"""Of a study twice as large each look costs twice as much: calls of functions are counted, and looks at files. A look
that is taken again and again reads no file for each cell.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.benchmarks.short_stages import untrained_text
from winsweep import arm_grid, layout
from winsweep.attempt import arrays
from winsweep.cluster_file import read_cluster
from winsweep.remarks import remarks
from winsweep.slurm import chain, queue_view, reconcile
from winsweep.watch import rows
from winsweep.watch.look import Watcher
from winsweep.watch.seen import Queue, plain
from winsweep.workspace import Workspace, open_workspace

NUM_MODELS, SMALL = 2, 60  # models, and arms of each in the smaller study
MOST = 2.6  # times as many calls as of half the study
JOB = "101"
ROWS = json.dumps([{"output_1": "a", "output_2": "b", "truncated": False}])
OPENED: list[Counter] = []
sys.addaudithook(lambda event, _: OPENED[-1].update([event]) if OPENED else None)


@contextmanager
def counted(monkeypatch) -> Iterator[Counter]:
    """How many functions are called inside, and how often files are opened, listed or looked for."""
    found: Counter = Counter()
    with monkeypatch.context() as patched:
        for name in ("stat", "lstat"):
            patched.setattr(os, name, _counting(getattr(os, name), found))
        OPENED.append(Counter())
        sys.setprofile(lambda frame, event, _: found.update(["calls"]) if event == "call" else None)
        try:
            yield found
        finally:
            sys.setprofile(None)
            heard = OPENED.pop()
            found["files"] += heard["open"] + heard["os.listdir"] + heard["os.scandir"]


def _counting(look: Callable, found: Counter) -> Callable:
    def looked(*words, **named):
        found["files"] += 1
        return look(*words, **named)

    return looked


def waiting(folder, num_arms: int) -> Workspace:
    """A study whose judgements of a quarter of the arms are in a queue, the rest being made."""
    folder.mkdir()
    (folder / "study.yaml").write_text(untrained_text(NUM_MODELS, num_arms))
    workspace = open_workspace(folder / "study.yaml", folder / "runs")
    root = workspace.store.root
    late = [a.key for n, a in enumerate(workspace.judged.values()) if n % 4 == 3]
    for a in workspace.order:
        if a.key not in late and a.stage != "aggregate":
            (root / a.name).mkdir(parents=True)
            inputs = {name: i.key for name, i in a.inputs.items()}
            told = {"params": a.plain_params, "inputs": inputs, "notes": {}, "seconds": 1}
            (root / a.name / "record.json").write_text(json.dumps(told))
            (root / a.name / "annotations.json").write_text(ROWS)
            (root / ".work" / a.key).mkdir(parents=True)
    array, name = arrays.open_folder(root, "judge", [[key] for key in late])
    arrays.know(array, JOB)
    lines = [f"{JOB}_{n}|{name}|PENDING|Priority||0:00|1:00:00" for n in range(len(late))]
    (folder / "squeue").write_text("#!/bin/sh\ncat <<end\n" + "\n".join(lines) + "\nend\n")
    (folder / "squeue").chmod(0o755)
    return workspace


def looks(workspace: Workspace) -> dict[str, Callable[[], object]]:
    """What is done again and again with a study, or at each command."""
    found, watcher = reconcile.look(workspace), Watcher(workspace)
    seen, _ = watcher.look(), remarks(workspace, found.items)  # what they have read is remembered
    watcher.next_queue = 0.0  # so that SLURM is asked again
    shown = {i.artifact.key: i.state for i in found.items}
    (workspace.study.path.parent / "c.yaml").write_text("kind: slurm\n")
    cluster = read_cluster(layout.STAGES, workspace.study.path.parent / "c.yaml", workspace.need.stages)
    return {
        "plan": lambda: workspace.plan(workspace.facts()),
        "look of a finalizer": lambda: reconcile.look(workspace),
        "look of the board": watcher.look,
        "board": lambda: [rows.table(seen, by) for by in ("arms", "cells")],
        "JSON": lambda: plain(seen),
        "grid": lambda: arm_grid.lines(workspace, shown, 100),
        "lines of a queue": lambda: queue_view.lines(workspace, found.items, found.queued, []),
        "remarks": lambda: remarks(workspace, found.items),
        "arrays": lambda: chain.arrays(workspace.plan(workspace.facts()), cluster.placements, 1000),
    }


@pytest.fixture(scope="module")
def costs(tmp_path_factory) -> dict[str, tuple[Counter, Counter]]:
    """What each look costs for a study and for one of twice as many cells."""
    found: dict[str, list[Counter]] = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for num_arms in (SMALL, 2 * SMALL):
            folder = tmp_path_factory.mktemp("large") / str(num_arms)
            monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
            workspace = waiting(folder, num_arms)
            assert len(workspace.judged) == NUM_MODELS * num_arms
            for name, act in looks(workspace).items():
                with counted(monkeypatch) as used:
                    act()
                found.setdefault(name, []).append(used)
    return {name: (one, two) for name, (one, two) in found.items()}


def test_no_look_grows_faster_than_the_study(costs):
    assert costs.keys() > {"plan", "look of a finalizer", "look of the board"}
    over = {name: (a["calls"], b["calls"]) for name, (a, b) in costs.items() if b["calls"] > MOST * a["calls"] + 500}
    assert not over, "calls for a study, and for one of twice as many cells"


def test_why_tasks_wait_is_worded_once_for_all_of_them(costs):
    """Else each of ten thousand reasons is held against sixty patterns, which is most of a status."""
    small, large = costs["lines of a queue"]
    num_waiting_more = NUM_MODELS * SMALL // 4
    assert (large["calls"] - small["calls"]) / num_waiting_more < 200


def test_between_two_looks_there_are_five_minutes_at_most(tmp_path):
    watcher = Watcher(waiting(tmp_path / "small", 4))
    assert [watcher.pause_s(took_s) for took_s in (0.0, 1.0, 30.0)] == [2.0, 50.0, 300.0]
    watcher.queue = Queue(0.0, "")
    assert watcher.pause_s(0.0) == 20.0


def test_no_look_reads_a_file_for_each_cell(costs):
    num_more = NUM_MODELS * SMALL
    over = {name: (a["files"], b["files"]) for name, (a, b) in costs.items() if b["files"] - a["files"] > num_more / 10}
    assert not over, f"files that are opened or looked for, and those of {num_more} cells more"
