"""The studies of histories, opened once each."""

from functools import cache
from pathlib import Path

from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.placement import Cluster
from winsweep.workspace import Workspace, open_workspace

STUDY = """\
name: histories
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {%s}
seeds: [%s]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
INS, SUM = "ins: {from: toy, num_examples: 24}", "sum: {from: toy, kinds: [sum], num_examples: 24}"
TEXTS = {
    "one": STUDY % (INS, 1),
    "two": STUDY % (f"{INS}, {SUM}", 1),
    "three": STUDY % (INS, "1, 2, 3"),
    "changed": STUDY % (f"{INS}, {SUM.replace('24', '25')}", 1),
}


def opened(root: Path) -> dict[str, Workspace]:
    """The text of each study to its workspace at `root`."""
    found = {}
    for text in TEXTS.values():
        (root / "study.yaml").write_text(text)
        found[text] = open_workspace(root / "study.yaml", root / "runs")
    (root / "c.yaml").write_text("kind: slurm\nall: {time_min: 10}\n")
    return found


@cache
def cluster(root: Path) -> Cluster:
    stages = [p.stem for p in layout.JOBS.glob("*.py")]
    return read_cluster(layout.STAGES, root / "c.yaml", dict.fromkeys(stages))
