"""What a run leaves out before anything starts, and what is said of it."""

import sys
from collections.abc import Sequence

from winsweep import screen
from winsweep.check import auto_placement, early, too_large
from winsweep.check.room import GpuGb
from winsweep.placement import Cluster
from winsweep.workspace import Workspace

MOST_NAMED = 20  # cells and analyses that are left alone


def told(workspace: Workspace, cluster: Cluster, gpu_gb: GpuGb | None, machines: auto_placement.Machines) -> Workspace:
    """The workspace of the cells and analyses that nothing known here speaks against; what does is said, so that
    nothing is spent on the others. `gpu_gb`: see too_large; None where there is no GPU. `machines`: see auto_placement.
    """
    items = workspace.plan(workspace.facts())
    rows = early.quick(workspace, items)
    wrong = [f"{r.of}: {r.finding.what}: {r.finding.text}" for r in rows if r.finding.verdict == "problem"]
    left = early.without(workspace, items, rows)
    if gpu_gb:
        left, too_large_lines = too_large.without(left, items, cluster, gpu_gb)
        wrong += too_large_lines
    left, unplaced_lines = auto_placement.without(left, cluster, machines)
    wrong += unplaced_lines
    _say(workspace, left, wrong)
    return left


def placed(workspace: Workspace, cluster: Cluster, machines: auto_placement.Machines) -> Workspace:
    """The workspace of the cells for which `placement: auto` has a choice, where nothing is to be run; the others are
    said.
    """
    left, lines = auto_placement.without(workspace, cluster, machines)
    _say(workspace, left, lines)
    return left


def _say(workspace: Workspace, left: Workspace, wrong: Sequence[str]) -> None:
    print("".join(f"error: {line}\n" for line in wrong), end="", file=sys.stderr)
    if out := [
        name
        for of, kept in ((workspace.judged, left.judged), (workspace.analyses, left.analyses))
        for name in of
        if name not in kept
    ]:
        print(f"left alone until then: {screen.few(out, MOST_NAMED)}", file=sys.stderr)
