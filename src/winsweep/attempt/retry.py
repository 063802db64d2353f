"""What an attempt's end means for the next one, and a chain's progress for its next link: go on, or a person must look.
Pure.

Tried again is only what can pass by itself, and that within a budget: whatever the reason, an artifact whose last
attempts got no further, and a chain in which nothing did, end until a person asks for more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

BUDGET = 3  # attempts in a row that got no further
# the same, where a higher partition took the nodes: no fault of the study, but it must not go on for ever
PREEMPTIONS = 10
ADVICE = {
    "time limit": "; raise time_min, or save more often (checkpoint_steps: N), in the cluster file and type "
    "--retry-failed",
    "preempted": "; save more often (checkpoint_steps: N), or name a partition that is not preempted, and type "
    "--retry-failed",
    "judge": "; type the same command with --retry-failed once the judge answers",
    "judge refused": "; then type the same command with --retry-failed",
    "network": "; type the same command with --retry-failed once it can be reached",
}
GENERATIONS = 3  # finalizers of a chain, in a row, that found nothing finished and nothing further than the one before
# Ends that say nothing against the ask: "stopped" is what its own launcher asks of an attempt, which then starts no
# other; "waiting" one goes on when what it waits for may have come.
HARMLESS = ("done", "already", "stopped", "waiting")
# Ends that may come from a machine, a neighbour, a network or an input that is being made again. Any other kind cannot
# pass by itself: what decides between two kinds is in the error that is raised (a bad key is "judge refused", a busy
# endpoint "judge").
PASSING = (
    "preempted",
    "time limit",
    "node",
    "host OOM",
    "GPU OOM",
    "killed",
    "hang",
    "disk",
    "judge",
    "network",
    "lost",
    "busy",
    "blocked",
)
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
    # of a blocked one: the input that it lacked was not made then, and has been tried again since
    is_resolved: bool = False


@dataclass(frozen=True)
class ChainProgress:
    """How far a chain of finalizers has come at best (published results, steps and rows of the others), and how long
    ago that was.
    """

    published: int
    progress: int
    idle: int = 0  # finalizers in a row that found no more

    @property
    def is_over(self) -> bool:
        return self.idle >= GENERATIONS


def next_progress(before: ChainProgress, published: int, progress: int) -> ChainProgress:
    """`before` as the next finalizer sees it. Results that come and go are no advance; work on the next ones counts
    anew after one.
    """
    if published > before.published:
        return ChainProgress(published, progress)
    if progress > before.progress:
        return replace(before, progress=progress, idle=0)
    return replace(before, idle=before.idle + 1)


def failed(ends: Sequence[End]) -> str | None:
    """Why nothing should be started again by itself, or None; `ends` are those of one artifact, oldest first."""
    told = against(ends)
    if not told:
        return None
    if lasting := [e for e in told if e.kind not in PASSING]:  # also before a task that was lost, and counted later
        return f"{lasting[-1].kind}: {lasting[-1].reason}{ADVICE.get(lasting[-1].kind, '')}"
    last = told[-1]
    idle = [e.kind for e in told[len(told) - stalls(told) :]]
    preempted = idle.count("preempted")
    if len(idle) - preempted < BUDGET and preempted < PREEMPTIONS:
        return None
    return f"{last.kind}: {last.reason} ({len(idle)} attempts in a row got no further{ADVICE.get(last.kind, '')})"


def against(ends: Sequence[End]) -> list[End]:
    """The ends that say something against another attempt: none from before one that made it."""
    made = max((n for n, e in enumerate(ends) if e.kind in ("done", "already")), default=-1)
    return [e for e in ends[made + 1 :] if e.kind not in HARMLESS and not e.is_resolved]


def stalls(ends: Sequence[End]) -> int:
    """How many of the last attempts did not get beyond what an earlier one had reached; an attempt that did is free."""
    best, run = 0, 0
    for e in ends:
        run = 0 if e.progress > best else run + 1
        best = max(best, e.progress)
    return run


def bad_nodes(ends: Sequence[End], now: float, num_nodes: int = 4 * MAX_EXCLUDED) -> list[str]:
    """Nodes on which two attempts died within a day, the worst first, few enough that a cluster of `num_nodes` stays
    usable.
    """
    recent = [e.node for e in ends if e.kind in BAD_NODE and e.node and now - e.at < EXCLUDE_S]
    counts = {node: recent.count(node) for node in sorted(set(recent))}
    return sorted((n for n, c in counts.items() if c >= 2), key=lambda n: (-counts[n], n))[
        : min(MAX_EXCLUDED, num_nodes // 4)
    ]
