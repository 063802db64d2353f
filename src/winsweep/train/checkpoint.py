"""How training survives being killed: the whole state, published by rename, trusted only when its manifest verifies.

work/checkpoint-<step>/ holds the engine's state, each rank's random state, the step log so far, about.json (what must be
the same for the state to fit) and the manifest. The state holds pickles, so only a directory of one's own is ever read.
"""

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from winsweep import manifest
from winsweep.errors import Damaged, MissingInput
from winsweep.train.engine import Engine, load_state, save_state, write_torch
from winsweep.train.gang import Gang

PREFIX = "checkpoint-"
TMP = ".unfinished-"
LOG = "log.jsonl"
NOTES = "notes.txt"


def save(engine: Engine, work: Path, step: int, fit: dict, gang: Gang) -> None:
    """Publish the state after `step` steps, then drop all older ones; an error on any rank leaves the last one as it was.

    `fit` is what a later attempt must have in common to go on from here. OSError if the disk is full, on every rank.
    """
    tmp = Path(gang.first(lambda: _begin(work, fit)))
    try:
        gang.together(lambda: save_state(engine, tmp / "engine"))
        gang.together(lambda: write_torch(random_state(), tmp / f"random-{gang.rank}.pt"))
        gang.first(lambda: _publish(tmp, work / f"{PREFIX}{step}"))
    except Exception:
        shutil.rmtree(tmp, ignore_errors=True)  # a full disk must not stay full of this
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


def _publish(tmp: Path, final: Path) -> None:
    manifest.seal(tmp)
    for path in tmp.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.rmtree(final, ignore_errors=True)  # only there if it was damaged or did not fit
    os.rename(tmp, final)
    _sync_directory(final.parent)
    for _, old in _checkpoints(final.parent):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    except (Damaged, MissingInput) as error:
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
