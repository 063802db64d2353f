"""A plan that takes long, as that of thousands of cells does, is not made at each end."""

import time

from tests.local.conftest import ROOT
from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.local.controller import Run, loop
from winsweep.local.local import Local
from winsweep.workspace import open_workspace

NUM = 8
STUDY = f"""\
name: slow
models: {{a: {{pretrain: {{num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}}}}
tasks: {{{", ".join(f"t{n}: {{from: toy, num_examples: {n + 4}}}" for n in range(NUM))}}}
seeds: [1]
instructions: {{from: toy, part: dev}}
compare: {{judge: reference_overlap, reference: {{task: t0}}}}
"""


def test_what_is_ready_is_started_from_an_earlier_plan(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    placements = read_cluster(layout.STAGES, ROOT / "slurm/clusters/local.yaml", workspace.need.stages).placements
    run = Run(workspace, Local(tmp_path / "fork_server.log"), 1, placements)
    plans = []

    def rows_alone(facts):
        plans.append([i for i in workspace.plan(facts) if i.artifact.stage == "prepare"])
        time.sleep(1)
        return plans[-1]

    try:
        items = loop(run, rows_alone, lambda *_: None)
    finally:
        run.cluster.close()
    assert run.num_started == NUM + 1 and {i.state for i in items} == {"done"}, "each once: tasks and instructions"
    assert len(plans) < NUM, "fewer plans than ends"
