"""How a running study is told to a person: what runs and how far, what waits for what, when it may end, which nodes are
left out.
"""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from winsweep import failed, screen
from winsweep.amounts import plural
from winsweep.attempt import history
from winsweep.costs.durations import duration
from winsweep.costs.eta import end, share_done, why_unknown
from winsweep.plan import Item
from winsweep.slurm import halt, queue
from winsweep.slurm.queue import Task
from winsweep.workspace import Workspace

OWNER, OWNER_WORDS = re.compile(r"^by ([^@]+)@(\d+)@.*"), r"by process \2 on \1"
SHOWN = 10  # running attempts that are listed one by one


def is_waiting(item: Item, queued: Mapping[str, Task | None]) -> bool:
    """Whether SLURM has the item but does not run it."""
    task = queued.get(item.artifact.key)
    return item.artifact.key in queued and (task is None or not queue.is_running(task))


def lines(
    workspace: Workspace,
    items: Sequence[Item],
    queued: Mapping[str, Task | None],
    avoided: Sequence[str],
    is_verbose: bool = False,
) -> list[str]:
    """Everything that is not done, most pressing first, then what is left and until when."""
    open_ones = {i.artifact.key for i in items if i.state != "done"}
    begun = [i for i in items if i.state == "running" and not is_waiting(i, queued)]
    # of a task that makes one result after the other, one runs
    running = [i for i in begun if not any(need.key in open_ones for need in i.artifact.needs)]
    shares = {i.artifact.key: share_done(workspace, i.artifact.key)[0] for i in running}
    told = (
        [f"ended    {why}"]
        if (why := halt.reason(workspace.store, workspace.study.name)) and any(i.state != "done" for i in items)
        else []
    )
    told += failed.lines(workspace, items, is_verbose) + failed.blocked_lines(items, is_verbose)
    told += again_lines(workspace, items)
    for i in running[: len(running) if is_verbose else SHOWN]:
        told += [
            f"running  {i.artifact.name}: {shares[i.artifact.key]:.0%}, {OWNER.sub(OWNER_WORDS, i.why)}",
            f"         log: {workspace.store.log(i.artifact.key)}",
        ]
    told += [f"running  … and {len(running) - SHOWN} more"] if len(running) > SHOWN and not is_verbose else []
    later = len(begun) - len(running)
    told += [f"queued   {later} × come later in the tasks that run"] if later else []
    told += waiting_lines([queued[i.artifact.key] for i in items if i.state == "running" and is_waiting(i, queued)])
    told += [left_line(workspace, items, shares)] if any(i.state == "running" for i in items) else []
    return told + ([f"left out {', '.join(avoided)}: two attempts died there within a day"] if avoided else [])


def again_lines(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    """What will be tried again, with how it ended before; not what an attempt has begun since `items` were seen."""
    begun = workspace.store.begun()
    again = [
        (i, history.so_far(workspace.store, i.artifact.key))
        for i in items
        if i.state in ("ready", "waiting") and i.artifact.key in begun
        if not workspace.store.holder(i.artifact.key, workspace.alive(i.artifact.key))
    ]
    return [f"again    {i.artifact.name}: {screen.printable(said)}" for i, said in again if said][:SHOWN]


def waiting_lines(tasks: Sequence[Task | None]) -> list[str]:
    """A line for each reason, the most frequent first, with the jobs that have it."""
    said = [queue.words(t) if t else "was submitted a moment ago" for t in tasks]
    counts, jobs = Counter(said), defaultdict[str, set[str]](set)
    for why, task in zip(said, tasks, strict=True):
        jobs[why] |= {task.job} if task else set()
    named = {why: _jobs(sorted(of, key=int)) for why, of in jobs.items()}
    return [f"queued   {num} × {why}{named[why]}" for why, num in counts.most_common()]


def _jobs(ids: Sequence[str]) -> str:
    return f" (job{'s' if len(ids) > 1 else ''} {', '.join(ids)})" if ids else ""


def left_line(workspace: Workspace, items: Sequence[Item], shares: Mapping[str, float]) -> str:
    """How much is left, and until when if that can be known."""
    num = sum(i.state in ("running", "ready", "waiting") for i in items)
    seconds, unknown = end(workspace, items, shares)
    if seconds is not None:
        by = time.strftime("%a %H:%M", time.localtime(time.time() + seconds))
        return (
            f"left     {plural(num, 'result')}; about {duration(seconds)}, until {by}, at {len(shares)} at once "
            "and the pace "
            f"of finished ones"
        )
    return f"left     {plural(num, 'result')}; until when is not known: {why_unknown(items, unknown)}"
