"""How training survives being killed: the whole state, published by rename, trusted only when its manifest verifies.

work/checkpoint-<step>/ holds the engine's state, each rank's random state, the step log so far, about.json (what must be
the same for the state to fit) and the manifest. The state holds pickles, so only a directory of one's own is ever read.
"""

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np
import torch

from winsweep.errors import Damaged, NotFound
from winsweep.store import manifest
from winsweep.train.engine import Engine, load_state, save_state, write_torch
from winsweep.train.gang import Gang

PREFIX = "checkpoint-"
TMP = ".unfinished-"
LOG = "log.jsonl"
NOTES = "notes.txt"


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


def begin(engine: Engine, work: Path, step: int, fit: dict, gang: Gang, behind: bool) -> Draft:
    """Write the state after `step` steps, or with `behind` copy it into memory and have a thread write it; `finish` must follow.

    `fit` is what a later attempt must have in common to go on from here. OSError if the disk is full, on every rank.
    """
    draft = Draft(Path(gang.first(lambda: _begin(work, fit))), step, [])

    def copy(state: object, path: Path) -> None:
        torch.save(state, memory := io.BytesIO())
        draft.files.append((path, memory.getbuffer()))

    def write(state: object, path: Path) -> None:
        write_torch(state, path)
        draft.entries |= {path.relative_to(draft.tmp).as_posix(): manifest.describe(path)}

    with _removed_on_error(draft):
        gang.together(lambda: save_state(engine, draft.tmp / "engine", copy if behind else write))
        gang.together(lambda: (copy if behind else write)(random_state(), draft.tmp / f"random-{gang.rank}.pt"))
    if behind:
        draft.thread = Thread(target=_write_files, args=[draft], daemon=True)  # one that is lost leaves the last checkpoint as it was
        draft.thread.start()
    return draft


def _write_files(draft: Draft) -> None:
    try:
        for path, data in draft.files:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.entries |= {path.relative_to(draft.tmp).as_posix(): manifest.entry_of(data)}
    except OSError as error:
        draft.error = error
    draft.files.clear()  # as large as the state


def finish(draft: Draft, gang: Gang) -> int:
    """Wait until every rank has written, publish the checkpoint and drop all older ones; returns its bytes.

    An error on any rank leaves the last one as it was, and is raised on all.
    """
    if draft.thread:
        draft.thread.join()
    with _removed_on_error(draft):
        gang.agree(draft.error)
        entries = {name: entry for each in gang.gather(draft.entries) for name, entry in each.items()}
        gang.first(lambda: _publish(draft.tmp, draft.tmp.with_name(f"{PREFIX}{draft.step}"), entries))
    return sum(entry["size"] for entry in entries.values())


@contextlib.contextmanager
def _removed_on_error(draft: Draft) -> Iterator[None]:
    try:
        yield
    except Exception:
        shutil.rmtree(draft.tmp, ignore_errors=True)  # a full disk must not stay full of this
        raise


def resume(engine: Engine, work: Path, fit: dict, gang: Gang) -> int:
    """Bring engine, log and random state to the newest checkpoint that is intact and fits; returns its step, or 0 if there is none.

    Every checkpoint passed over is noted in work/notes.txt and on standard error. Damaged, on all ranks, if one is not safe to read.
    """
    step = gang.first(lambda: _choose(work, fit))
    if step:
        here = work / f"{PREFIX}{step}"
        load_state(engine, here / "engine", step)
        gang.together(lambda: set_random_state(torch.load(here / f"random-{gang.rank}.pt", weights_only=False)))
    return step


def random_state() -> dict:
    """Where every random number generator of this process stands."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def _begin(work: Path, fit: dict) -> str:
    # A name of its own for every try: what an earlier attempt may still be writing or removing is never this.
    tmp = Path(tempfile.mkdtemp(prefix=TMP, dir=work))
    try:
        (tmp / "engine").mkdir()
        shutil.copyfile(work / LOG, tmp / LOG)
        (tmp / "about.json").write_text(json.dumps(fit))
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
    for _, old in _checkpoints(final.parent):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def _checkpoints(work: Path) -> list[tuple[int, Path]]:
    """(step, directory) of each, newest first; nothing about them has been checked."""
    found = [(path.name.removeprefix(PREFIX), path) for path in work.iterdir() if path.name.startswith(PREFIX)]
    return sorted(((int(step), path) for step, path in found if step.isdigit()), reverse=True)


def _choose(work: Path, fit: dict) -> int:
    """The step to go on from, with work's log brought back to it; 0, and an empty log, to start from the beginning."""
    for left in work.glob(TMP + "*"):
        shutil.rmtree(left, ignore_errors=True)
    for step, path in _checkpoints(work):
        require_own(path)
        if why := _unusable(path, step, fit):
            note(work, f"{path.name} passed over: {why}")
            continue
        manifest.write_atomic(work / LOG, (path / LOG).read_bytes())
        note(work, f"went on from {path.name}")
        return step
    if _checkpoints(work):
        note(work, "no usable checkpoint: training starts over from step 0")
    manifest.write_atomic(work / LOG, b"")
    return 0


def _unusable(path: Path, step: int, fit: dict) -> str:
    try:
        manifest.verify(path)
    except (Damaged, NotFound) as error:
        return str(error)
    have = json.loads((path / "about.json").read_bytes())
    if have != fit:
        key = next(key for key in sorted(have.keys() | fit.keys()) if have.get(key) != fit.get(key))
        return f"made with {key} = {json.dumps(have.get(key))}, now it is {json.dumps(fit.get(key))}"
    lines = (path / LOG).read_bytes().count(b"\n")
    return "" if lines == step else f"its log has {lines} steps"


def require_own(path: Path) -> None:
    """Damaged unless `path` and all below it belong to this user and nobody else may write there: reading it runs what it holds."""
    for here in [path, *path.rglob("*")]:
        stat = here.lstat()
        if stat.st_uid != os.getuid():
            raise Damaged(f"{here}: owned by user {stat.st_uid}; it can run code: only your own is legal ({os.getuid()}); remove {path}")
        if here.is_symlink() or stat.st_mode & 0o022:
            raise Damaged(f"{here}: others can write it; it can run code, so only files writable by you alone are legal; remove {path}")


def note(work: Path, text: str) -> None:
    """Say something that a reader of the result must know, both to the log of this attempt and to those of later ones."""
    print(f"{work}: {text}", file=sys.stderr, flush=True)
    with open(work / NOTES, "a", encoding="utf-8") as file:
        file.write(text + "\n")
