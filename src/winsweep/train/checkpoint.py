"""How training survives being killed: the whole state, published by rename, trusted only when its manifest verifies.

work/checkpoint-<step>/ holds the engine's state, each rank's random state and which pieces of which parameter its state
is, the step log so far, about.json (what must be the same for the state to fit) and the manifest. `resumption` reads
it.
"""

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from threading import Thread

import torch

from winsweep.store import folders, manifest
from winsweep.train.engine import Engine, save_state, write_torch
from winsweep.train.randomness import random_state
from winsweep.train.rank_group import RankGroup
from winsweep.train.resharding import pieces

PREFIX = "checkpoint-"
TMP = ".unfinished-"
LOG = "log.jsonl"
NOTES = "notes.txt"
ABOUT = "about.json"
PIECES = "pieces-{}.pt"


@dataclass
class Draft:
    """A checkpoint that is being written: what each rank's thread has to write, and what it says of it when it has."""

    tmp: Path
    step: int
    files: list[tuple[Path, memoryview]]
    entries: dict[str, dict] = field(default_factory=dict)
    error: OSError | None = None
    thread: Thread | None = None

    def is_writing(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


def begin(engine: Engine, work: Path, step: int, fit: dict, group: RankGroup, behind: bool) -> Draft:
    """Write the state after `step` steps, or with `behind` copy it into memory and have a thread write it; `finish`
    must follow.

    `fit` is what a later attempt must have in common to go on from here. OSError if the disk is full, on every rank.
    """
    draft = Draft(Path(group.first(lambda: _begin(work, fit))), step, [])

    def copy(state: object, path: Path) -> None:
        torch.save(state, memory := io.BytesIO())
        draft.files.append((path, memory.getbuffer()))

    def write(state: object, path: Path) -> None:
        write_torch(state, path)
        draft.entries |= {path.relative_to(draft.tmp).as_posix(): manifest.describe(path)}

    with _removed_on_error(draft):
        group.together(lambda: save_state(engine, draft.tmp / "engine", copy if behind else write))
        group.together(lambda: (copy if behind else write)(random_state(), draft.tmp / f"random-{group.rank}.pt"))
        group.together(
            lambda: (copy if behind else write)(
                list(map(astuple, pieces(engine))), draft.tmp / PIECES.format(group.rank)
            )
        )
    if behind:
        # one that is lost leaves the last checkpoint as it was
        draft.thread = Thread(target=_write_files, args=[draft], daemon=True)
        draft.thread.start()
    return draft


def _write_files(draft: Draft) -> None:
    try:
        for path, data in draft.files:
            folders.make(path.parent)
            with open(path, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.entries |= {path.relative_to(draft.tmp).as_posix(): manifest.entry_of(data)}
    except OSError as error:
        draft.error = error
    draft.files.clear()  # as large as the state


def finish(draft: Draft, group: RankGroup) -> int:
    """Wait until every rank has written, publish the checkpoint and drop all older ones; returns its bytes.

    An error on any rank leaves the last one as it was, and is raised on all.
    """
    if draft.thread:
        draft.thread.join()
    with _removed_on_error(draft):
        group.agree(draft.error)
        entries = {name: entry for each in group.gather(draft.entries) for name, entry in each.items()}
        group.first(lambda: _publish(draft.tmp, draft.tmp.with_name(f"{PREFIX}{draft.step}"), entries))
    return sum(entry["size"] for entry in entries.values())


@contextlib.contextmanager
def _removed_on_error(draft: Draft) -> Iterator[None]:
    try:
        yield
    except Exception:
        shutil.rmtree(draft.tmp, ignore_errors=True)  # a full disk must not stay full of this
        raise


def _begin(work: Path, fit: dict) -> str:
    # A name of its own for every try: what an earlier attempt may still be writing or removing is never this.
    tmp = Path(tempfile.mkdtemp(prefix=TMP, dir=work))
    try:
        (tmp / "engine").mkdir()
        shutil.copyfile(work / LOG, tmp / LOG)
        (tmp / ABOUT).write_text(json.dumps(fit))
    except OSError:
        shutil.rmtree(tmp, ignore_errors=True)
        raise
    return str(tmp)


def _publish(tmp: Path, final: Path, entries: dict[str, dict]) -> None:
    manifest.seal(tmp, entries)
    for path in tmp.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.rmtree(final, ignore_errors=True)  # only there if it was damaged or did not fit
    os.rename(tmp, final)
    manifest.sync_directory(final.parent)
    for _, old in checkpoints(final.parent):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def steps_of(log: Path) -> Iterator[dict]:
    """The lines of a log that are of optimizer steps, one at a time; the others are of losses over held-out rows."""
    with open(log, "rb") as file:
        yield from (line for line in map(json.loads, file) if "loss" in line)


def checkpoints(work: Path) -> list[tuple[int, Path]]:
    """(step, directory) of each, newest first; nothing about them has been checked."""
    found = [(path.name.removeprefix(PREFIX), path) for path in work.iterdir() if path.name.startswith(PREFIX)]
    return sorted(((int(step), path) for step, path in found if step.isdigit()), reverse=True)
