"""What a person sees while a study runs: a live table on a terminal, elsewhere a line for each finished cell, each
failure, and a summary now and then.
"""

import math
import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from winsweep import arm_grid, failed, screen
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.costs import eta
from winsweep.costs.durations import duration
from winsweep.local.controller import Run, log_of
from winsweep.plan import Item
from winsweep.workspace import Workspace, chain, columns

SIGNS = {
    "done": ("✓", "green"),
    "running": (arm_grid.SIGNS["running"], "cyan"),
    "ready": ("·", ""),
    "waiting": ("·", "dim"),
    "failed": (arm_grid.SIGNS["failed"], "red"),
    "blocked": (arm_grid.SIGNS["blocked"], "yellow"),
}
REFRESH_S = 0.5
COUNT_S = 5.0  # between two estimates, each of which reads records
SUMMARY_S = 30.0  # between two summaries where there is no terminal
MOST_RUNNING, MOST_FAILED = 8, 3  # lines below the live table


class View:
    """Shows a run; use as a context manager around it. Without a terminal, `is_verbose` gives a line for every attempt
    that begins or ends.
    """

    def __init__(self, workspace: Workspace, is_verbose: bool = False) -> None:
        self.workspace, self.console, self.last, self.begun = workspace, Console(), 0.0, time.time()
        self.next_count, self.left, self.is_verbose = 0.0, "", is_verbose
        self.chains = {label: chain(workspace.ends(label)) for label in workspace.judged}
        self.stages = [s for s in columns(self.chains.values()) if s not in arm_grid.COMMON]
        self.labels = {a.key: label for label, a in workspace.judged.items()}
        self.before: dict[str, str] = {}
        self.whole: list[Item] = []
        self.started: tuple[str, ...] = ()
        self.seen: tuple[Run, list[Item]] | None = None
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None

    def __enter__(self) -> "View":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
        elif self.seen:
            self.next_count = math.inf  # whoever asked this to end waits for no estimate
            self.print(self.summary(*self.seen))

    def show(self, run: Run, items: list[Item]) -> None:
        """Called often; draws or prints only what changed."""
        if run.workspace is self.workspace:
            self.whole = items
        else:  # the table of some cells: what failed or waits in vain is no part of its plan
            known = {i.artifact.key for i in items}
            items = [i for i in self.whole if i.artifact.key not in known] + items
        if not self.live:
            self.say(run, items)
        elif time.monotonic() - self.last > REFRESH_S or not run.started:
            self.last = time.monotonic()
            self.live.update(self.draw(run, items), refresh=True)

    def print(self, text: str) -> None:
        print(f"{time.time() - self.begun:7.1f}s {text}", flush=True)

    def say(self, run: Run, items: list[Item]) -> None:
        started = tuple(run.started)
        if self.seen is None or self.seen[1] is not items or self.started != started:
            self.say_changes(run, items)
        self.started, self.seen = started, (run, items)
        if time.monotonic() - self.last > SUMMARY_S:
            self.last = time.monotonic()
            self.print(self.summary(run, items))

    def say_changes(self, run: Run, items: list[Item]) -> None:
        now = states_of(items) | dict.fromkeys(run.started, "running")
        changed = [(i, now[i.artifact.key]) for i in items if self.before.get(i.artifact.key) != now[i.artifact.key]]
        num_done = sum(now.get(key, "done") == "done" for key in self.labels)
        for item, state in changed:
            if line := self.event(run, item, state):
                self.print(line)
            if state == "done" and self.before and item.artifact.key in self.labels:
                label = self.labels[item.artifact.key]
                self.print(f"done     {label}  ({num_done} of {len(self.labels)} cells)")
        self.before = now

    def event(self, run: Run, item: Item, state: str) -> str:
        """What is said of an attempt: of one that failed or waits all, of others something only on request."""
        a = item.artifact
        if state == "failed":
            return f"failed   {a.name}  {screen.printable(item.why)}  log: {self.workspace.store.log(a.key)}"
        if state == "ready" and item.begin:
            return f"waits    {a.name}  {screen.printable(item.why)}"
        if self.is_verbose and state == "running":
            return f"running  {a.name}  log: {log_of(run, a)}"
        return (
            f"done     {a.name}" if self.is_verbose and state == "done" and self.before.get(a.key) == "running" else ""
        )

    def summary(self, run: Run, items: list[Item]) -> str:
        states = states_of(items)
        num_done = sum(states.get(key, "done") == "done" for key in self.labels)
        bad = [f"{n} {s}" for s in ("failed", "blocked") if (n := sum(i.state == s for i in items))]
        names = [self.progress(a) for a, _ in run.started.values()]
        now = f": {screen.few(names)}" if names else ""
        bad += [f"{n} wait for a judge's batch"] if (n := sum(i.begin > 0 for i in items)) else []
        said = [f"{num_done} of {len(self.labels)} cells done", *bad, f"{self.title(run, items)}{now}"]
        return f"summary  {'; '.join(said)}"

    def progress(self, a: Artifact) -> str:
        return f"{a.stage}/{a.label} {eta.share_done(self.workspace, a.key)[0]:.0%}"

    def draw(self, run: Run, items: list[Item]) -> RenderableType:
        states = states_of(items) | dict.fromkeys(run.started, "running")
        below = self.captions(run, items)
        room = max(5, self.console.height - len(below) - 4)
        title = Text(f"{self.workspace.study.name}: {self.title(run, items)}", style="bold")
        table = self.cells(states) if len(self.chains) <= room else self.arms(states)
        return Group(title, table, *(Text(screen.cut(line, self.console.width)) for line in below))

    def cells(self, states: Mapping[str, str]) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("cell")
        for stage in self.stages:
            table.add_column(stage, justify="center")
        for label, found in self.chains.items():
            table.add_row(Text(label), *(self.sign(found.get(stage, []), states) for stage in self.stages))
        return table

    def arms(self, states: Mapping[str, str]) -> Text:
        return Text("\n".join(arm_grid.lines(self.workspace, states, self.console.width)))

    def sign(self, artifacts: list[Artifact], states: Mapping[str, str]) -> Text:
        if not artifacts:
            return Text(" ")
        state = arm_grid.worst(states, artifacts)
        if state == "running":
            shares = [eta.share_done(self.workspace, a.key)[0] for a in artifacts if states.get(a.key) == "running"]
            return Text(f"{max(shares):.0%}", style="cyan")
        return Text(*SIGNS[state])

    def title(self, run: Run, items: list[Item]) -> str:
        left = sum(i.state in ("ready", "waiting", "running") for i in items)
        if (begun := time.monotonic()) > self.next_count:
            self.left, ended = time_left(run, items), time.monotonic()
            self.next_count = ended + max(COUNT_S, 10 * (ended - begun))  # of thousands of cells it takes seconds
        return f"{plural(left, 'job')} left, {len(run.started)} running{self.left if left else ''}"

    def captions(self, run: Run, items: list[Item]) -> list[str]:
        """What runs, and what has failed."""
        running = [f"running  {self.progress(a)}  {time.time() - since:.0f} s" for a, since in run.started.values()]
        running += [f"waits    {i.artifact.stage}/{i.artifact.label}: {i.why}" for i in items if i.begin]
        wrong = [
            f"failed   {i.artifact.stage}/{i.artifact.label}: {screen.printable(i.why)}"
            for i in items
            if i.state == "failed"
        ]
        more = [f"         … and {len(wrong) - MOST_FAILED} more failed"] if len(wrong) > MOST_FAILED else []
        return running[:MOST_RUNNING] + wrong[:MOST_FAILED] + more


def states_of(items: list[Item]) -> dict[str, str]:
    return {i.artifact.key: i.state for i in items}


def time_left(run: Run, items: list[Item]) -> str:
    """How long it may still take, by finished results of the same model and size; or that it is not known yet."""
    shares = {key: eta.share_done(run.workspace, key)[0] for key in run.started}
    seconds, _ = eta.end(run.workspace, items, shares, run.jobs)
    if seconds is not None:
        return f", about {duration(seconds)} left" if seconds else ""
    return ", time left not known yet"


def failures_text(workspace: Workspace, items: list[Item], command: str, is_verbose: bool = False) -> str:
    """Each failed artifact with its reason and its log, the cells that it or their analyses wait for, and the command
    that tries again.
    """
    told = failed.lines(workspace, items, is_verbose)
    return "\n".join([*told, f"To try them again: {command} --retry-failed"]) if told else ""
