"""Writes what a store has of a study to a tracker. What the tracker itself says that it holds decides what is added, so
that a call may be repeated, or killed at any moment, and nothing is there twice.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from winsweep import command_names, layout, node_environment, screen, strict
from winsweep.amounts import plural
from winsweep.errors import BadStudy, Busy, NotFound, WinsweepError
from winsweep.store import links, liveness
from winsweep.store.store import Store
from winsweep.trackers import runs
from winsweep.workspace import Workspace, open_workspace

NAMES = ("wandb", "trackio", "tensorboard", "mlflow")
FOLDER = ".trackers"  # in a store
WAIT_S = 60.0  # for another call that writes to the same tracker
FOLLOW_S = 20.0
MOST_S = 600.0  # of all trackers at a run's end
SECRET_LENGTH = 6
OVER = ("done", "failed", "blocked")


@dataclass(frozen=True)
class Pass:
    """How many runs a call wrote, and how many were there already as they are."""

    written: int
    same: int


def tracker(name: str, place: Path) -> ModuleType:
    """The module that writes to a tracker; BadStudy for one that there is not, NotFound without its packages."""
    if name not in NAMES:
        raise BadStudy(f"tracker: found {name!r}; {strict.near(name, NAMES)}")
    tool = importlib.import_module(f"winsweep.trackers.{name}")
    try:
        tool.library(place)
    except ImportError as e:
        raise NotFound(
            f"tracker {name}: {e}; its packages are no part of winsweep's own; type: pip install {tool.PACKAGES}"
        ) from None
    return tool


def place_of(store: Store, name: str) -> Path:
    """Where a tracker's files lie, if nobody says otherwise."""
    links.refuse(store.root / FOLDER)
    return store.root / FOLDER / name


def track(workspace: Workspace, name: str, place: Path, seen: "Seen | None" = None) -> Pass:
    """Make the tracker hold all that the store has of the study now; Busy if another call is at it for a minute,
    WinsweepError for what its library raises.
    """
    tool, seen = tracker(name, place), seen or Seen()
    written = same = 0
    with _turn(workspace.store, name):
        for run in runs.runs(workspace, seen.logs):
            is_known = seen.told.get(run.id) == run
            try:
                is_new = not is_known and _put(tool, place, workspace.study.name, run)
            except Exception as e:  # whatever a library may raise
                what = _hidden(f"{type(e).__name__}: {e}")
                raise WinsweepError(f"tracker {name}: {what}; the same command, typed again, goes on") from e
            written, same = written + is_new, same + (not is_new)
            seen.told[run.id] = run
    return Pass(written, same)


class Seen:
    """What earlier passes of this process have read and told."""

    def __init__(self) -> None:
        self.logs = runs.Logs()
        self.told: dict[str, runs.Run] = {}


def _put(tool: ModuleType, place: Path, project: str, run: runs.Run) -> bool:
    """Whether something had to be written."""
    held = tool.held(place, project, run)
    run = run if run.is_logged or run.kind == "cell" else replace(run, rows=tuple(held.rows))
    keep = runs.same(run.rows, held.rows, tool.stored)
    if keep == len(run.rows) == len(held.rows) and held.about == run.about:
        return False
    tool.write(place, project, run, keep)
    return True


def _hidden(text: str) -> str:
    """`text` with the names of variables in place of what they have: an address may have a password in it."""
    for name, value in os.environ.items():
        if len(value) >= SECRET_LENGTH and (name == "MLFLOW_TRACKING_URI" or node_environment.SECRET.search(name)):
            text = text.replace(value, f"${name}")
    return screen.printable(" ".join(text.split()))


def follow(workspace: Workspace, name: str, place: Path, say: Callable[[Pass], None], poll_s: float = FOLLOW_S) -> None:
    """Track until nothing of the study is to come: all is done, or has failed."""
    seen = Seen()
    while True:
        is_over = all(i.state in OVER for i in workspace.plan(workspace.facts()))  # before the pass: it sees the rest
        with contextlib.suppress(Busy):
            say(track(workspace, name, place, seen))
        if is_over:
            return
        time.sleep(poll_s)


def at_end(workspace: Workspace, names: Iterable[str], within_s: float = MOST_S) -> None:
    """Track to each of `names`, all together within a time; what goes wrong is said, and no more."""
    limit = time.monotonic() + within_s
    for name in names:
        try:
            said = _apart(workspace, name, max(0.0, limit - time.monotonic()))
        except OSError as e:
            said = str(e)
        print(f"track {name}: {_hidden(said)}", file=sys.stderr, flush=True)


def _apart(workspace: Workspace, name: str, within_s: float) -> str:
    """What a process of its own says last that tracks; it and all that it started are gone when this returns."""
    words = [str(workspace.study.path), str(workspace.store.root), name]
    command = [sys.executable, "-P", "-m", "winsweep.trackers.tracking", *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        env = os.environ | layout.python_path()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            return f"not done in {within_s:.0f} s; {command_names.command('track')} goes on"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said = err if code else out
        said.seek(0)
        return (said.read().decode(errors="replace").strip().splitlines() or [f"exit code {code}"])[-1]


def main(study: str, store: str, name: str) -> int:
    try:
        workspace = open_workspace(Path(study), Path(store), lenient=True)
        done = track(workspace, name, place := place_of(workspace.store, name))
        print(
            f"{plural(done.written, 'run')} written; to look: {tracker(name, place).show(place, workspace.study.name)}"
        )
    except WinsweepError as e:
        print(e, file=sys.stderr)
        return 2
    return 0


@contextlib.contextmanager
def _turn(store: Store, name: str) -> Iterator[None]:
    """One call at a time writes to a tracker; one that died is followed."""
    key, limit = f"track/{name}", time.monotonic() + WAIT_S
    heartbeat = store.work(key) / "heartbeat"
    while True:
        try:
            claim = store.claim(key, liveness.owner("track"), lambda owner: liveness.alive(owner, heartbeat))
            break
        except Busy as e:
            if time.monotonic() > limit:
                raise Busy(f"tracker {name}: {e}, which is writing to it; stop it or wait") from None
            time.sleep(0.5)
    stop = liveness.beat(heartbeat)
    try:
        yield
    finally:
        stop.set()
        claim.end({"kind": "done"})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
