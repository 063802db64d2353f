"""Which checkpoint an attempt goes on from, whatever layout it was saved in; work that cannot be gone on with is never
dropped unasked.

A checkpoint holds pickles, so only a directory of one's own is ever read.
"""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from winsweep.errors import Damaged, NotFound, WinsweepError
from winsweep.store import manifest
from winsweep.train.checkpoint import ABOUT, LOG, NOTES, PIECES, PREFIX, TMP, checkpoints, steps_of
from winsweep.train.engine import Engine, libraries, load_state
from winsweep.train.randomness import set_random_state, set_seeds_at
from winsweep.train.rank_group import RankGroup
from winsweep.train.resharding import Piece, load_other_layout

LIBRARIES = "libraries"  # whose form the state has: kept with it, but may differ as long as it can be read
LAYOUT = ("num_ranks", "zero_optimization")  # what may differ: the state does not depend on it
RETRY = "and start the sweep again with --retry-failed"


def resume(engine: Engine, work: Path, fit: dict, group: RankGroup) -> int:
    """Bring engine, log and random state to the newest checkpoint that is intact and fits; returns its step, or 0 if
    there is none at all.

    In the layout that it was saved in, the run goes on bit for bit. In another it does to rounding; with other ranks
    each starts its random numbers (dropout) anew from seed, step and rank. What was done is noted in work/notes.txt and
    on standard error. Damaged, on all ranks, if one is not safe to read, or if there are checkpoints and none can be
    used: a person must decide.
    """
    step, have = group.first(lambda: _choose(work, fit))
    if not step:
        return 0
    here = work / f"{PREFIX}{step}"
    with _worded(here, work, have):
        if all(have[key] == fit[key] for key in LAYOUT):
            load_state(engine, here / "engine", step)
        else:
            ranks = group.together(lambda: [_pieces(here, rank) for rank in range(have["num_ranks"])])
            load_other_layout(engine, here / "engine", ranks, have["zero_optimization"]["stage"], step, group)
        if have["num_ranks"] == fit["num_ranks"]:
            group.together(lambda: set_random_state(torch.load(here / f"random-{group.rank}.pt", weights_only=False)))
        else:
            set_seeds_at(fit["seed"], step, group.rank)
    group.first(lambda: note(work, f"went on from {here.name}{_differences(have, fit)}"))
    return step


@contextlib.contextmanager
def _worded(here: Path, work: Path, have: dict) -> Iterator[None]:
    """Damaged instead of DeepSpeed's or torch's own words where another version of them saved what cannot be read."""
    try:
        yield
    except (WinsweepError, OSError, MemoryError):
        raise
    except Exception as error:
        if have.get(LIBRARIES) == libraries():
            raise
        raise Damaged(_unreadable(here, work, have.get(LIBRARIES, {}), error)) from error


def _unreadable(here: Path, work: Path, old: dict[str, str], error: Exception) -> str:
    by, now = (" and ".join(f"{name} {version}" for name, version in some.items()) for some in (old, libraries()))
    install = " ".join(f"{name}=={version}" for name, version in old.items())
    return (
        f"{here}: saved by {by or 'versions that it does not name'}, which {now} cannot read ({type(error).__name__}: "
        f"{error}). "
        f"Legal: the versions it was saved with; type pip install {install or 'with the versions of that time'}, "
        f"or rm -r {work} to train from step 0, {RETRY}"
    )


def _pieces(here: Path, rank: int) -> list[Piece]:
    return [Piece(*piece) for piece in torch.load(here / PIECES.format(rank), weights_only=True)]


def _choose(work: Path, fit: dict) -> tuple[int, dict]:
    """The step to go on from, with work's log brought back to it, and what it was made with; 0, and an empty log, if
    there is none.
    """
    for left in work.glob(TMP + "*"):
        shutil.rmtree(left, ignore_errors=True)
    passed_over: list[tuple[Path, str]] = []
    for step, path in checkpoints(work):
        require_own(path)
        if why := _unusable(path, step, fit):
            passed_over.append((path, why))
            continue
        for passed, why in passed_over:
            note(work, f"{passed.name} passed over: {why}")
        manifest.write_atomic(work / LOG, (path / LOG).read_bytes())
        return step, json.loads((path / ABOUT).read_bytes())
    if passed_over:
        raise Damaged(_question(work, passed_over))
    manifest.write_atomic(work / LOG, b"")
    return 0, {}


def _question(work: Path, passed_over: list[tuple[Path, str]]) -> str:
    found = "; ".join(f"{path.name}: {why}" for path, why in passed_over)
    return (
        f"{work}: the steps taken so far cannot be gone on with: {found}. Legal: a checkpoint that is whole and was "
        f"made as this run is; "
        f"put back what was changed (ranks and zero stand in the cluster file), or type rm -r {work} to train from "
        f"step 0, {RETRY}"
    )


def _differences(have: dict, fit: dict) -> str:
    changes = list(_changes(have, fit))
    others = [
        f"{name} {version} -> {new}"
        for name, version in have.get(LIBRARIES, {}).items()
        if version != (new := fit[LIBRARIES][name])
    ]
    anew = "; random numbers start anew from seed, step and rank" if have["num_ranks"] != fit["num_ranks"] else ""
    said = f" with another layout: {', '.join(changes)}{anew}" if changes else ""
    return said + (f"; saved by other libraries: {', '.join(others)}" if others else "")


def _changes(have: dict, fit: dict) -> Iterator[str]:
    old, new = ({"ranks": about["num_ranks"], **about["zero_optimization"]} for about in (have, fit))
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key} {json.dumps(old.get(key))} -> {json.dumps(new.get(key))}"


def _unusable(path: Path, step: int, fit: dict) -> str:
    try:
        manifest.verify(path)
    except (Damaged, NotFound) as error:
        return str(error)
    have = json.loads((path / ABOUT).read_bytes())
    old, new = _comparable(have), _comparable(fit)
    different = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    told = "made with {0} = {1}, now it is {2}"
    if needed := [key for key in different if key not in LAYOUT or key not in old]:
        return told.format(needed[0], json.dumps(old.get(needed[0])), json.dumps(new.get(needed[0])))
    if different and not all((path / PIECES.format(rank)).exists() for rank in range(have["num_ranks"])):
        key = different[0]
        return (
            told.format(key, json.dumps(old[key]), json.dumps(new[key]))
            + ", and this winsweep cannot carry what an older one saved over to that"
        )
    lines = sum(1 for _ in steps_of(path / LOG))
    return "" if lines == step else f"its log has {lines} steps"


def _comparable(about: dict) -> dict:
    """Where a base lies on a disk is no part of it: its copy on another node, or a store that was moved, is the same
    one.
    """
    about = {key: value for key, value in about.items() if key != LIBRARIES}
    return about if about.get("revision") else about | {"base": Path(str(about.get("base"))).name}


def require_own(path: Path) -> None:
    """Damaged unless `path` and all below it belong to this user and nobody else may write there: reading it runs what
    it holds.
    """
    for here in [path, *path.rglob("*")]:
        stat = here.lstat()
        if stat.st_uid != os.getuid():
            raise Damaged(
                f"{here}: owned by user {stat.st_uid}; it can run code: only your own is legal ({os.getuid()}); remove "
                f"{path}"
            )
        if here.is_symlink() or stat.st_mode & 0o022:
            raise Damaged(
                f"{here}: others can write it; it can run code, so only files writable by you alone are legal; remove "
                f"{path}"
            )


def note(work: Path, text: str) -> None:
    """Say something that a reader of the result must know, both to the log of this attempt and to those of
    later ones.
    """
    print(f"{work}: {text}", file=sys.stderr, flush=True)
    with open(work / NOTES, "a", encoding="utf-8") as file:
        file.write(text + "\n")
