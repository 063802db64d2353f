"""Who may build an artifact: numbered claims that are never removed, the directories that go with the highest, and how
attempts ended.
"""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from winsweep.store import links, manifest


class Claim:
    """The right to build one artifact: the directory to fill, the directory that outlives attempts, and the number that
    proves it.

    Both directories bear the number: an attempt that was taken over and does not know it yet finds nothing at its paths
    any more.
    """

    def __init__(self, work: Path, number: int, owner: str) -> None:
        self.number, self.owner, self.root = number, owner, work
        self.out, self.work = attempt_paths(work, number)
        _inherit(self.work)
        # not a later attempt's: this one may have been taken over by now
        before = [p for mine in (self.out, self.work) for p in work.glob(f"{mine.name[:-6]}*") if p < mine]
        for old in [*before, *work.glob("gone-*")]:
            _discard(old)
        self.out.mkdir()

    def still_held(self) -> bool:
        """Whether no later attempt has taken over."""
        return newest(self.root / "claims") == self.number

    def end(self, record: dict, number: int | None = None) -> None:
        """Leave the end record of this attempt, or of an earlier one that could not."""
        leave_end(self.root, number or self.number, record)


def leave_end(work: Path, number: int, record: dict) -> None:
    folder = links.refuse(work / "ends")
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_atomic(folder / f"{number:06d}.json", json.dumps(record, indent=1, sort_keys=True).encode())


def attempt_paths(work: Path, number: int) -> tuple[Path, Path]:
    """Where attempt `number` puts its result, and where its state lies, which outlives attempts."""
    return work / f"out-{number:06d}", work / f"state-{number:06d}"


def _inherit(mine: Path) -> None:
    """Rename the state that the attempts before left to `mine`; an empty one if there is none, or if a later attempt
    was quicker.
    """
    while not links.refuse(mine).is_dir():
        left = max((links.refuse(p) for p in mine.parent.glob("state-*") if p < mine), default=None)
        with contextlib.suppress(FileNotFoundError):
            os.rename(left, mine) if left else mine.mkdir()


def _discard(path: Path) -> None:
    """Remove a directory: first out of the reach of whoever is about to publish it, as what is half removed must not be
    found anywhere.

    Of a link, the link.
    """
    if path.is_symlink():
        path.unlink(missing_ok=True)
        return
    gone = tempfile.mkdtemp(prefix="gone-", dir=path.parent)
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def newest(claims: Path) -> int:
    """The highest number of a claim; 0 if there is none."""
    try:
        return max((int(n) for n in os.listdir(claims) if n.isascii() and n.isdigit()), default=0)
    except FileNotFoundError:
        return 0


def link(claims: Path, number: int, owner: str) -> bool:
    """Whether claim `number` is now ours: a hard link either appears whole or fails."""
    mine = claims / f".{owner}"
    mine.write_text(owner)
    try:
        os.link(mine, claims / f"{number:06d}")
        return True
    except FileExistsError:
        return False
    finally:
        mine.unlink(missing_ok=True)
