"""Who may build an artifact: numbered claims that are never removed, the directories that go with the highest, and how
attempts ended.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from winsweep.errors import BadData
from winsweep.paths import unlinked_opener
from winsweep.store import folders, links, manifest, small_files

MOST = 999_999  # claims on one artifact; more are no attempts of ours
STATE = re.compile(r"state-\d{6,}")
KIND, KEY = re.compile(r"[A-Za-z][A-Za-z ]{0,39}"), re.compile(r"[\w.-]{1,200}/[\w. -]{1,200}")
LONGEST = 2000  # characters of a reason
DAMAGED = {"kind": "killed", "reason": "its end record cannot be read", "is_damaged": True}


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
        states = [p for p in work.glob("state-*") if p < self.work and not _is_closed(p)]
        for old in [*(p for p in work.glob("out-*") if p <= self.out), *states, *work.glob("gone-*")]:
            _discard(old)
        self.out.mkdir()

    def still_held(self) -> bool:
        """Whether no later attempt has taken over."""
        return newest(self.root / "claims") == self.number

    def end(self, record: dict, number: int | None = None) -> None:
        """Leave the end record of this attempt, or of an earlier one that could not."""
        leave_end(self.root, number or self.number, record)


def leave_end(work: Path, number: int, record: dict) -> None:
    folder = make_folder(links.refuse(work / "ends"), is_deep=False)  # a store that was moved is not made anew
    manifest.write_atomic(folder / f"{number:06d}.json", json.dumps(record, indent=1, sort_keys=True).encode())


def make_folder(folder: Path, is_deep: bool = True) -> Path:
    """A folder of the store; BadData where something else has its name."""
    try:
        folders.make(folder) if is_deep else folder.mkdir(exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BadData(
            f"{folder}: found a file, or one above it; legal is a folder that winsweep makes; move it away"
        ) from None
    return folder


def read_end(path: Path) -> dict[str, Any] | None:
    """The end record at `path`; None where there is none, and that of an attempt that was killed where it is damaged:
    `kind` and `reason` are texts, the others are what they should be or are not there.
    """
    found = small_files.mapping(path)
    if found is None or _is_end(found):
        return found and found | {"reason": str(found.get("reason", ""))[:LONGEST]}
    return dict(DAMAGED)


def _is_end(found: dict[str, Any]) -> bool:
    get = found.get
    texts = get("reason", ""), get("node", ""), get("owner", ""), get("lacked", "")
    counts, times = (get("progress", 0), get("tried", 0)), (get("begun", 0.0), get("until", 0.0))
    kind, lacked = get("kind"), get("lacked") or "a/b"
    return (
        isinstance(kind, str)
        and KIND.fullmatch(kind) is not None
        and all(isinstance(text, str) for text in texts)
        and KEY.fullmatch(lacked) is not None
        and ".." not in lacked
        and all(map(small_files.is_count, counts))
        and all(map(small_files.is_time, times))
        and isinstance(get("was_made", False), bool)
        and (kind != "waiting" or "until" in found)
        and ("lacked" not in found or {"tried", "was_made"} <= found.keys())
    )


def attempt_paths(work: Path, number: int) -> tuple[Path, Path]:
    """Where attempt `number` puts its result, and where its state lies, which outlives attempts."""
    return work / f"out-{number:06d}", work / f"state-{number:06d}"


def _inherit(mine: Path) -> None:
    """Rename the state that the attempts before left to `mine`; an empty one if there is none that is open to this
    user, or if a later attempt was quicker.
    """
    while not links.refuse(mine).is_dir():
        if mine.exists():
            raise BadData(f"{mine}: found a file; legal is a folder that winsweep makes; move it away")
        before = (p for p in mine.parent.glob("state-*") if p < mine and STATE.fullmatch(p.name))
        left = max((links.refuse(p) for p in before if not _is_closed(p)), default=None)
        with contextlib.suppress(FileNotFoundError):
            os.rename(left, mine) if left else mine.mkdir()


def _is_closed(state: Path) -> bool:
    """Whether another user keeps folders there that this one may not change, such as checkpoints: these are no use to
    this attempt, and that user goes on from them.
    """
    try:
        folders = [p for p in ([] if state.is_symlink() else state.iterdir()) if p.is_dir() and not p.is_symlink()]
    except PermissionError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    return any(_is_of_another(p) and not os.access(p, os.W_OK) for p in folders)


def _is_of_another(path: Path) -> bool:
    """A disk that fails, or is read-only for a while, closes nothing."""
    try:
        return path.stat().st_uid != os.geteuid()
    except OSError:
        return False


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
    return max(numbers(claims), default=0)


def numbers(claims: Path) -> list[int]:
    """The numbers of all claims, in any order; other names are no claims."""
    try:
        return [number for name in os.listdir(claims) if (number := number_in(name))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def number_in(name: str) -> int:
    """The number that the name of a claim, or of an end record without its suffix, says; 0 where it is none."""
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= len(str(MOST)) else 0
    return number if f"{number:06d}" == name else 0


def owner_of(claims: Path, number: int) -> str:
    """Who made claim `number`; "" where nobody's name can be read in it."""
    said = small_files.text(claims / f"{number:06d}")
    return said if "/" not in said else ""


def link(claims: Path, number: int, owner: str) -> bool:
    """Whether claim `number` is now ours: a hard link either appears whole or fails."""
    if number > MOST:
        raise BadData(
            f"{claims}: found claim {number - 1}, which no attempt of ours has made; look who did, and remove it"
        )
    mine = claims / f".{owner}"
    mine.unlink(missing_ok=True)
    with open(mine, "x", opener=unlinked_opener) as file:  # nobody else's, which could be written over later
        file.write(owner)
        file.flush()
        os.fsync(file.fileno())  # a claim that a power cut emptied would be nobody's
    try:
        os.link(mine, claims / f"{number:06d}")
        return True
    except FileExistsError:
        return False
    finally:
        mine.unlink(missing_ok=True)
