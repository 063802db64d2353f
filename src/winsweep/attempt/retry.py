"""What an attempt's end means for the next one: try again, or a person must look. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

BUDGET = 3  # attempts in a row that got no further
PREEMPTIONS = 10  # the same, where a higher partition took the nodes: no fault of the study, but it must not go on for ever
ADVICE = {"time limit": "; raise time_min, or save more often (checkpoint_steps: N), in the cluster file and type --retry-failed",
          "preempted": "; save more often (checkpoint_steps: N), or name a partition that is not preempted, and type --retry-failed"}
# Ends that say nothing against the ask, and ends that may come from a machine or a neighbour.
HARMLESS = ("done", "already", "busy", "blocked", "stopped")
PASSING = ("preempted", "time limit", "node", "host OOM", "GPU OOM", "killed", "hang", "disk", "judge", "lost")
BAD_NODE = ("node", "hang", "GPU OOM", "killed")
EXCLUDE_S = 86400.0
MAX_EXCLUDED = 4


@dataclass(frozen=True)
class End:
    """How one attempt ended, and how far the work was then (steps, rows; any count that only grows)."""

    kind: str
    reason: str
    progress: int
    node: str = ""
    at: float = 0.0


def failed(ends: Sequence[End]) -> str | None:
    """Why nothing should be started again by itself, or None; `ends` are those of one artifact, oldest first."""
    told = [e for e in ends if e.kind not in HARMLESS]
    if not told:
        return None
    last = told[-1]
    if last.kind not in PASSING:
        return f"{last.kind}: {last.reason}"
    idle = [e.kind for e in told[len(told) - stalls(told) :]]
    preempted = idle.count("preempted")
    if len(idle) - preempted < BUDGET and preempted < PREEMPTIONS:
        return None
    return f"{last.kind}: {last.reason} ({len(idle)} attempts in a row got no further{ADVICE.get(last.kind, '')})"


def stalls(ends: Sequence[End]) -> int:
    """How many of the last attempts did not get beyond what an earlier one had reached; an attempt that did is free."""
    best, run = 0, 0
    for e in ends:
        run = 0 if e.progress > best else run + 1
        best = max(best, e.progress)
    return run


def bad_nodes(ends: Sequence[End], now: float, num_nodes: int = 4 * MAX_EXCLUDED) -> list[str]:
    """Nodes on which two attempts died within a day, the worst first, few enough that a cluster of `num_nodes` stays usable."""
    recent = [e.node for e in ends if e.kind in BAD_NODE and e.node and now - e.at < EXCLUDE_S]
    counts = {node: recent.count(node) for node in sorted(set(recent))}
    return sorted((n for n, c in counts.items() if c >= 2), key=lambda n: (-counts[n], n))[: min(MAX_EXCLUDED, num_nodes // 4)]
