"""What of a task that makes one result after the other is said to run."""

import json
import os

from tests.benchmarks.short_stages import untrained_text
from winsweep.attempt import arrays
from winsweep.slurm import queue_view, reconcile
from winsweep.workspace import open_workspace


def test_of_a_task_that_makes_one_result_after_the_other_one_runs(tmp_path, monkeypatch):
    (tmp_path / "study.yaml").write_text(untrained_text(1, 4))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    root, cells = workspace.store.root, {a.label: a for a in workspace.judged.values() if ".a" in a.label}
    tasks = [[a.inputs["candidate"].key, a.key] for a in cells.values()]
    for a in workspace.order:
        if a.stage not in ("aggregate", "judge") and not any(a.key in task for task in tasks):
            (root / a.name).mkdir(parents=True)
            record = {"params": {}, "inputs": {}, "notes": {}, "seconds": 1}
            (root / a.name / "record.json").write_text(json.dumps(record))
    array, name = arrays.open_folder(root, "generate+judge", tasks)
    arrays.know(array, "7")
    state = {0: "RUNNING||n1|0:05", 1: "RUNNING||n1|0:05", 2: "PENDING|Priority||0:00"}
    lines = [f"7_{n}|{name}|{said}|1:00:00" for n, said in state.items()]
    (tmp_path / "squeue").write_text("#!/bin/sh\ncat <<end\n" + "\n".join(lines) + "\nend\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = reconcile.look(workspace)
    said = queue_view.lines(workspace, found.items, found.queued, [])
    assert sum(line.startswith("running  generate/") for line in said) == 2
    assert not any(line.startswith("running  judge/") for line in said)
    assert "queued   2 × come later in the tasks that run" in said
    assert "queued   2 × waits: others come first (job 7)" in said
