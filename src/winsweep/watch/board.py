"""The live board of a study on a terminal: looks in one thread, draws and listens to keys in the other."""

import os
import sys
import threading
import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from winsweep import screen
from winsweep.errors import WinsweepError
from winsweep.watch import draw, rows
from winsweep.watch.draw import Log
from winsweep.watch.keys import SUSPEND, Keys
from winsweep.watch.look import Watcher, tail
from winsweep.watch.rows import Choice, Table
from winsweep.watch.seen import Result, Seen
from winsweep.workspace import Workspace

LOG_S = 2.0  # between two looks at the log of the chosen entry
LATE_S = 30.0  # a look that takes longer is told of
LOG_LINES = 200
LEAST = 20, 8  # columns and lines; of a smaller terminal a part is seen


class Looker(threading.Thread):
    """Looks again and again, so that a slow disk or a slow squeue stops no key."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(daemon=True)
        self.workspace, self.watcher = workspace, Watcher(workspace)
        self.seen: Seen | None = None
        self.log, self.wanted, self.is_over = Log(), "", False
        self.trouble = ""
        self.began = time.monotonic()
        self.due, self.next_at = 0.0, 0.0  # of the next look: by the monotonic clock, and by the day's; 0: at once
        self.wake = threading.Event()

    def run(self) -> None:
        while True:
            self.wake.clear()
            if time.monotonic() >= self.due:
                self.look()
            self.read_log()
            self.wake.wait(LOG_S)

    def look(self) -> None:
        """One look. The pause after it goes by this one alone: before the first of all there is another one."""
        self.next_at, self.began = 0.0, time.monotonic()
        try:
            if self.seen is None:
                self.seen = self.watcher.look(asks=False)  # so that something is shown while SLURM thinks
                self.began = time.monotonic()
            self.seen, self.trouble = self.watcher.look(), ""
        except (OSError, WinsweepError, ValueError, LookupError) as e:
            self.trouble = f"{e}; shown is what was seen before" if self.seen else str(e)
        pause_s = self.watcher.pause_s(time.monotonic() - self.began)
        self.began, self.due, self.next_at = 0.0, time.monotonic() + pause_s, time.time() + pause_s

    def look_now(self) -> None:
        """Have the store looked at without waiting for its turn."""
        self.due = 0.0
        self.wake.set()

    def read_log(self) -> None:
        if not (key := self.wanted):
            return
        try:
            path, lines = tail(self.workspace, key, LOG_LINES, self.is_over)
        except OSError as e:
            path, lines = "", [screen.printable(f"{e}")]
        self.log = Log(key, path, tuple(lines))

    def want(self, result: Result | None) -> None:
        """Read the log of this result from now on, at once."""
        key, self.is_over = (result.key, result.state != "running") if result else ("", False)
        if key != self.wanted:
            self.wanted = key
            self.wake.set()

    def said(self) -> str:
        """What is wrong with the looks now."""
        began = self.began
        if began and time.monotonic() - began > LATE_S:
            return f"the disk or SLURM has not answered for {time.monotonic() - began:.0f} s"
        return self.trouble


def show(workspace: Workspace) -> int:
    """The board until q (0) or Ctrl-C (130); the terminal is left as it was."""
    console = Console()
    looker = Looker(workspace)
    looker.start()
    with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        _loop(looker, keys, console, live)
    return 0


def _loop(looker: Looker, keys: Keys, console: Console, live: Live) -> None:
    table, choice, drawn = rows.Table(), Choice(), None
    while True:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        width, height = max(LEAST[0], columns), max(LEAST[1], lines)
        console.size = (width, height)  # by itself it would believe COLUMNS and LINES, which do not follow the window
        seen = looker.seen
        if seen is not None:
            table = table if table.is_of(seen, choice.by) else rows.table(seen, choice.by)
            choice = rows.follow(choice, table)
            looker.want(rows.pressing(rows.chosen(choice, table)))
        log = looker.log if looker.log.key == looker.wanted else Log()
        now = (table, choice, log, looker.said(), looker.next_at, width, height)
        if now != drawn:
            live.update(_text(*now), refresh=True)
            drawn = now
        for key in keys.wait(0.25):
            if key == "q":
                return
            if key == "r":
                looker.look_now()
            if key == SUSPEND:
                live.stop()
                keys.stop()
                live.start()
                drawn = None
            choice = rows.moved(choice, key, table, max(1, height // 3))


def _text(table: Table, choice: Choice, log: Log, trouble: str, next_at: float, width: int, height: int) -> Group:
    if table.seen is None:
        return Group(Text(screen.printable(trouble or "looking …")))
    lines = draw.board(table.seen, table, choice, log, trouble, next_at, width, height)
    texts = [Text.assemble(*line, no_wrap=True, overflow="ellipsis") for line in lines]
    for text in texts:
        text.truncate(width, overflow="ellipsis")
    return Group(*texts)
