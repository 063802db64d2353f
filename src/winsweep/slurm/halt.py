"""How far a study's chain of jobs has come, and why it ended before the study did: a file in the store, shown until
sweep.py goes on.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from winsweep import screen
from winsweep.amounts import plural
from winsweep.attempt import history
from winsweep.attempt.endings import progress_of
from winsweep.attempt.retry import GENERATIONS, ChainProgress, next_progress
from winsweep.command_names import command
from winsweep.slurm.chain import Array
from winsweep.store import folders, small_files
from winsweep.store.manifest import write_atomic
from winsweep.store.store import Store
from winsweep.workspace import Workspace


def note(store: Store, study: str, why: str) -> None:
    path = _path(store, study)
    folders.make(path.parent)
    write_atomic(path, json.dumps({"why": why, "at": time.time()}).encode())


def reason(store: Store, study: str) -> str:
    """Why the chain of a study was halted, or ""."""
    told = small_files.mapping(_path(store, study))
    return "" if told is None else screen.printable(str(told.get("why") or "why cannot be read"))


def clear(store: Store, study: str) -> None:
    _path(store, study).unlink(missing_ok=True)


def advanced(workspace: Workspace, before: ChainProgress | None) -> ChainProgress:
    """The progress of a chain that submits again, or begins (without `before`)."""
    present, begun = workspace.store.published().keys(), workspace.store.begun()
    open_keys = [a.key for a in workspace.order if a.key not in present and a.key in begun]
    far = (
        sum(a.key in present for a in workspace.order),
        sum(progress_of(workspace.store.work(key)) for key in open_keys),
    )
    return next_progress(before, *far) if before else ChainProgress(*far)


def halted(workspace: Workspace, todo: Sequence[Array]) -> list[Array]:
    """Nothing, instead of `todo`, and a note for people about it."""
    lost = [history.so_far(workspace.store, a.key) for array in todo for task in array.tasks for a in task]
    last = next(filter(None, lost), f"no attempt has left a reason; {command('logs')} shows their logs")
    note(
        workspace.store,
        workspace.study.name,
        f"nothing was finished or got further in {GENERATIONS} submissions in a row, so "
        f"{plural(len(lost), 'result was', 'results were')} "
        f"not submitted again ({last}); {command('run')} goes on",
    )
    return []


def _path(store: Store, study: str) -> Path:
    return store.root / ".work" / "halted" / f"{study}.json"
