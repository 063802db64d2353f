"""Tells a person what happens to a run: each event once, whichever launcher sees it first, and without ever holding a
run up or failing it.
"""

import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from winsweep import layout
from winsweep.cluster_file import LOCAL
from winsweep.command_names import command
from winsweep.messages import texts
from winsweep.messages.texts import Message
from winsweep.placement import Cluster
from winsweep.plan import Item
from winsweep.store import folders, links
from winsweep.workspace import Workspace

T = TypeVar("T")
FOLDER = ".work/messages"
OVER = ("done", "failed", "blocked")
WAIT_S = 20.0  # at the end of a run, for messages that are on their way
WHY_NOT = {
    1: "the other side did not take it",
    2: "no address that apprise knows is in it",
    3: "apprise is not installed; type: pip install apprise",
}


class Messenger:
    """Looks at a plan as often as a launcher likes; without an address in the environment it does nothing."""

    def __init__(self, workspace: Workspace, cluster: Cluster) -> None:
        self.workspace, self.cluster = workspace, cluster
        self.is_on = bool(os.environ.get(cluster.notify, "").strip())
        self.seen: Sequence[Item] | None = None
        self.told: set[str] = set()
        self.sent: list[subprocess.Popen[bytes]] = []

    def look(self, items: Sequence[Item]) -> None:
        """Send what failed first, and that a budget is used up."""
        if self.is_on and items is not self.seen:
            self.seen = items
            with _warned():
                self._failures(items)

    def watching(self, show: Callable[[T, list[Item]], None]) -> Callable[[T, list[Item]], None]:
        """`show`, a launcher's, that looks too."""

        def both(run: T, items: list[Item]) -> None:
            show(run, items)
            self.look(items)

        return both

    def close(self, items: Sequence[Item], halted: str = "") -> None:
        """Send how the study ended, if nothing more of it is to come (`halted`: why, though it is not done), and wait
        until all is sent or given up.
        """
        self.look(items)
        self._wait()  # a person reads of a failure before the end
        if self.is_on and (halted or all(i.state in OVER for i in items)):
            states = sorted(f"{i.artifact.key} {i.state}" for i in items)
            with _warned():
                self._tell(texts.of_end(self.workspace, items, halted and f"{halted} {self._again()}"), states)
        self._wait()

    def _wait(self) -> None:
        """Return when every message is sent or given up, which is soon; what was not sent is said."""
        limit = time.monotonic() + WAIT_S
        for process in self.sent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, limit - time.monotonic()))
            if process.returncode != 0:
                why = WHY_NOT.get(process.returncode or -1, "no answer in time")
                print(f"a message was not sent (variable {self.cluster.notify}): {why}", file=sys.stderr, flush=True)
        self.sent.clear()

    def _failures(self, items: Sequence[Item]) -> None:
        for item in (i for i in items if i.state == "failed"):
            message = texts.of_failure(self.workspace, item, f"{self._again()} --retry-failed")
            if message.event not in self.told:
                self.told.add(message.event)
                self._tell(message, self._forgiven())

    def _forgiven(self) -> list[str]:
        """What a person had tried again: a failure after that is news."""
        store = self.workspace.store
        begun = store.begun()
        keys = [a.key for a in self.workspace.order if a.key in begun]
        return [f"{key} {p.name}" for key in keys for p in sorted((store.work(key) / "ends").glob("*.forgiven"))]

    def _again(self) -> str:
        """The command that goes on with the study."""
        words = [str(self.workspace.study.path), "--store", str(self.workspace.store.root)]
        words += [] if self.cluster.file == layout.CLUSTERS / f"{LOCAL}.yaml" else ["--cluster", str(self.cluster.file)]
        return f"{command('run')} {shlex.join(words)}"

    def _tell(self, message: Message, of: Sequence[str]) -> None:
        """Send a message, unless one was sent of the same event of the same wants."""
        asked = json.dumps([sorted(a.key for a in self.workspace.wanted), *of])
        digest = hashlib.sha256(asked.encode()).hexdigest()[:12]
        folder = self.workspace.store.root / FOLDER
        folders.make(folder)
        mark = links.inside(self.workspace.store.root, folder / f"{self.workspace.study.name}.{message.event}-{digest}")
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return
        self.sent.append(_started(self.cluster.notify, message))


def _started(variable: str, message: Message) -> subprocess.Popen[bytes]:
    """The process that sends: in a session of its own, so that Ctrl-C does not end it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "winsweep.messages.deliver", variable],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | layout.python_path(),
        start_new_session=True,
    )
    assert process.stdin, "it is a pipe"
    with contextlib.suppress(BrokenPipeError), process.stdin:  # a few hundred bytes: less than a pipe takes at once
        process.stdin.write(json.dumps({"title": message.title, "body": message.body}).encode())
    return process


@contextlib.contextmanager
def _warned() -> Iterator[None]:
    """What goes wrong here is said, and no more."""
    try:
        yield
    except Exception as e:
        print(f"a message was not sent: {type(e).__name__}: {e}", file=sys.stderr, flush=True)
