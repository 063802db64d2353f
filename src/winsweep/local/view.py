"""What a person sees while a study runs: a live table of cells × stages on a terminal, a line per event elsewhere."""

import time
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from winsweep.artifact import Artifact, closure
from winsweep.costs import eta
from winsweep.costs.durations import duration
from winsweep.local.controller import Run, log_of, state_of
from winsweep.plan import Item
from winsweep.workspace import Workspace, chain, columns

SIGNS = {
    "done": ("✓", "green"),
    "running": ("…", "cyan"),
    "ready": ("·", ""),
    "waiting": ("·", "dim"),
    "failed": ("✗", "red"),
    "blocked": ("–", "yellow"),
}
WORST = ("failed", "blocked", "running", "ready", "waiting", "done")
REFRESH_S = 0.5
COUNT_S = 5.0  # between two estimates, each of which reads records


class View:
    """Shows a run; use as a context manager around it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.console, self.last, self.begun = workspace, Console(), 0.0, time.time()
        self.counted, self.left = -COUNT_S, ""
        self.chains = {label: chain(workspace.ends(label)) for label in workspace.judged}
        self.stages = columns(self.chains.values())
        self.before: Mapping[str, str] = {}
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None

    def __enter__(self) -> "View":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def show(self, run: Run, items: list[Item]) -> None:
        """Called often; draws or prints only what changed."""
        if not self.live:
            self.say(run, items)
            return
        if time.monotonic() - self.last > REFRESH_S or not run.started:
            self.last = time.monotonic()
            self.live.update(self.draw(run, items), refresh=True)

    def say(self, run: Run, items: list[Item]) -> None:
        now = {i.artifact.key: "running" if i.artifact.key in run.started else i.state for i in items}
        for item in items:
            state, was = now[item.artifact.key], self.before.get(item.artifact.key)
            if state != was and (state in ("running", "failed") or (state == "done" and was == "running")):
                tail = (
                    f"  log: {log_of(run, item.artifact)}"
                    if state == "running"
                    else f"  {item.why}"
                    if state == "failed"
                    else ""
                )
                print(f"{time.time() - self.begun:7.1f}s {state:8s} {item.artifact.name}{tail}", flush=True)
        self.before = now

    def draw(self, run: Run, items: list[Item]) -> Table:
        states = {i.artifact.key: i.state for i in items} | dict.fromkeys(run.started, "running")
        room = max(5, self.console.height - len(run.started) - 6)
        open_first = sorted(
            self.chains, key=lambda label: all(states.get(a.key, "done") == "done" for a in self.workspace.ends(label))
        )
        table = Table(
            title=self.title(run, items), caption=self.captions(run), caption_justify="left", box=None, pad_edge=False
        )
        table.add_column("cell")
        for stage in self.stages:
            table.add_column(stage, justify="center")
        for label in sorted(open_first[:room], key=list(self.chains).index):
            table.add_row(Text(label), *(self.sign(self.chains[label].get(stage, []), states) for stage in self.stages))
        if len(open_first) > room:
            table.add_row(Text(f"… and {len(open_first) - room} more", style="dim"))
        return table

    def sign(self, artifacts: list[Artifact], states: Mapping[str, str]) -> Text:
        found = [states.get(a.key, "done") for a in artifacts]
        if not found:
            return Text(" ")
        state = min(found, key=WORST.index)
        if state == "running":
            share = max(
                (eta.share_done(self.workspace, a.key)[0] for a in artifacts if states.get(a.key) == "running"),
                default=0.0,
            )
            return Text(f"{100 * share:.0f}%", style="cyan")
        return Text(*SIGNS[state])

    def title(self, run: Run, items: list[Item]) -> str:
        left = sum(i.state in ("ready", "waiting", "running") for i in items)
        if time.monotonic() - self.counted > COUNT_S:
            self.counted, self.left = time.monotonic(), time_left(run, items)
        return f"{self.workspace.study.name}: {left} jobs left, {len(run.started)} running{self.left if left else ''}"

    def captions(self, run: Run) -> Text:
        rows = [
            f"{a.name}  {eta.share_done(self.workspace, a.key)[0]:4.0%}  {time.time() - since:4.0f}s  {log_of(run, a)}"
            for a, since in run.started.values()
        ]
        return Text("\n".join(rows))


def time_left(run: Run, items: list[Item]) -> str:
    """How long it may still take, by finished results of the same model and size; or that it is not known yet, and of
    what.
    """
    shares = {key: eta.share_done(run.workspace, key)[0] for key in run.started}
    seconds, unknown = eta.end(run.workspace, items, shares, run.jobs)
    if seconds is not None:
        return f", about {duration(seconds)} left" if seconds else ""
    return f", time left not known yet ({', '.join(unknown)})"


def failures_text(workspace: Workspace, items: list[Item], command: str) -> str:
    """Each failed artifact with its reason and its log, the cells that it or their analyses wait for, and the command
    that tries again.
    """
    failed = [i for i in items if i.state == "failed"]
    lines = []
    for i in failed:
        cells = [
            label
            for label in workspace.judged
            if any(state_of(items, a) != "done" and i.artifact in closure([a]) for a in workspace.ends(label))
        ]
        log = workspace.store.log(i.artifact.key)
        lines += [
            f"failed  {i.artifact.name}",
            f"        {i.why}",
            f"        cells: {', '.join(cells)}",
            f"        log:   {log}",
        ]
    return "\n".join([*lines, f"To try them again: {command} --retry-failed"]) if failed else ""
