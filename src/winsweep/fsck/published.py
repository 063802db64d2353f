"""Whether a published directory is what was published: its manifest, every file, its record, and that its name is its
key.
"""

import json
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from winsweep import keys, screen
from winsweep.errors import Damaged, LinkInStore, NotCanonical, NotFound
from winsweep.fsck.finding import outermost
from winsweep.paths import unlinked_opener
from winsweep.store import manifest
from winsweep.store.store import RECORD

T = TypeVar("T")
R = TypeVar("R")
NAME = re.compile(rf"(?P<label>.+)-(?P<digest>[0-9a-f]{{{keys.KEY_HEX}}})")
LARGE = 64 << 20  # bytes from which a file is read by a thread of its own
ASKED = ("version", "params", "inputs")
MOST_FAULTS = 3


@dataclass(frozen=True)
class Looked:
    """What is wrong with a published directory so far, where it should lie by its record, and large files still to be
    read.
    """

    faults: tuple[str, ...] = ()
    strays: tuple[Path, ...] = ()  # what to remove, where all that is wrong is what was put beside its own files
    belongs: str = ""  # STAGE/LABEL-DIGEST, if its record says so and what it was asked for has that key
    large: tuple[tuple[str, dict], ...] = ()
    num_bytes: int = 0
    denied: Path | None = None  # what this user may not read


def in_threads(
    act: Callable[[T], R], things: Iterator[T], pool: ThreadPoolExecutor, most: int
) -> Iterator[tuple[T, R]]:
    """Each of `things` with what `act` gives for it, in their order; at most so many are begun and not yet taken."""
    begun: deque[tuple[T, Future[R]]] = deque()
    for thing in things:
        begun.append((thing, pool.submit(act, thing)))
        if len(begun) >= most:
            first, future = begun.popleft()
            yield first, future.result()
    for first, future in begun:
        yield first, future.result()


def each(root: Path, paths: Iterator[Path], pool: ThreadPoolExecutor, most: int) -> Iterator[tuple[Path, Looked]]:
    """Each published directory with everything that is wrong with it; small ones side by side, of large files several.

    Looked at twice before anything is said: another process may have taken it away, or made it again, meanwhile.
    Nothing is wrong with one that is gone.
    """
    for path, looked in in_threads(partial(_quick, root), paths, pool, most):
        found = _finished(looked, path, pool)
        if found.faults and path.is_dir():
            found = _finished(_quick(root, path), path, pool)
        yield path, found if path.is_dir() else Looked()


def _finished(looked: Looked, path: Path, pool: ThreadPoolExecutor) -> Looked:
    """The same, its large files read."""
    wrong = [fault for fault in pool.map(partial(_file, path), looked.large) if fault]
    return replace(looked, faults=(*looked.faults, *wrong), strays=() if wrong else looked.strays, large=())


def _quick(root: Path, path: Path) -> Looked:
    """What is wrong with a directory but for its large files, which are named."""
    if denied := _denied(path):
        return Looked((f"{denied.relative_to(root).as_posix()} cannot be read (Permission denied)",), denied=denied)
    try:
        if not stat.S_ISREG(os.lstat(path / manifest.NAME).st_mode):
            return Looked((f"{manifest.NAME} is no file",))
    except OSError:
        pass  # said below
    try:
        entries = manifest.read(path)
    except (Damaged, NotFound, OSError, RecursionError) as e:
        return Looked((_without(path, e),))
    there, odd, faults = _walk(path)
    told, belongs = _record(root, path)
    faults += [f"{name} is {what}" for name, what in odd.items() if name in entries] + told
    if bad := [name for name, entry in entries.items() if not _is_entry(entry)]:
        return Looked((*faults, f"{manifest.NAME} has no size and sha256 of {screen.few(bad)}"), (), belongs)
    faults += [f"{name} is not there" for name in entries if name not in there and name not in odd]
    asked = [(name, entries[name]) for name in there if name in entries]
    small = [one for one in asked if one[1]["size"] < LARGE]
    faults += [fault for one in small if (fault := _file(path, one))]
    large = tuple(one for one in asked if one[1]["size"] >= LARGE)
    more = [name for name in (*there, *odd) if name not in entries]
    strays = tuple(outermost(path, more, entries)) if more and not faults else ()
    faults += [f"{name} is {odd.get(name, 'a file')} that is not in {manifest.NAME}" for name in more]
    return Looked(tuple(dict.fromkeys(faults)), strays, belongs, large, sum(entry["size"] for _, entry in asked))


def worded(faults: tuple[str, ...]) -> str:
    return screen.few(faults, MOST_FAULTS)


def _without(path: Path, e: BaseException) -> str:
    return str(e).removeprefix(f"{path}: ").removeprefix(f"{path}/")


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
        return False
    size = entry.get("size")
    return type(size) is int and size >= 0


def _walk(path: Path) -> tuple[list[str], dict[str, str], list[str]]:
    """Names of the regular files below `path` but the manifest, what else is there (name to what it is), and what
    cannot be listed; no link is followed.
    """
    files: list[str] = []
    odd: dict[str, str] = {}
    faults, left = [], [path]
    while left:
        folder = left.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = Path(entry.path).relative_to(path).as_posix()
                    if entry.is_symlink():
                        odd[name] = "a link"
                    elif entry.is_dir(follow_symlinks=False):
                        left.append(Path(entry.path))
                    elif not entry.is_file(follow_symlinks=False):
                        odd[name] = "a pipe or a device"
                    elif name != manifest.NAME:
                        files.append(name)
        except OSError as e:
            faults.append(f"{folder.relative_to(path).as_posix()} cannot be listed ({e.strerror or e})")
    return sorted(files), dict(sorted(odd.items())), sorted(faults)


def _denied(path: Path) -> Path | None:
    """The first of a directory, and of what is in it, that this user may not read."""
    if not os.access(path, os.R_OK | os.X_OK):
        return path if path.is_dir() else None  # taken away meanwhile
    with os.scandir(path) as entries:
        inside = sorted((e for e in entries if not e.is_symlink()), key=lambda e: e.name)
    for entry in inside:
        is_folder = entry.is_dir(follow_symlinks=False)
        if found := _denied(Path(entry.path)) if is_folder else not os.access(entry.path, os.R_OK):
            return found if isinstance(found, Path) else Path(entry.path) if os.path.lexists(entry.path) else None
    return None


def _record(root: Path, path: Path) -> tuple[list[str], str]:
    """What is wrong with what a directory says of itself, and where it belongs by that."""
    name = path.relative_to(root).as_posix()
    try:
        told = json.loads(_read(path / RECORD))
        stage = str(told["name"]).partition("/")[0]
        asked = {"stage": stage, **{field: told[field] for field in ASKED}}
        key = f"{stage}/{keys.digest(asked)}"
    except FileNotFoundError:
        return [f"{RECORD} is not there"], ""
    except (OSError, ValueError, TypeError, KeyError, RecursionError, NotCanonical, LinkInStore) as e:
        return [f"{RECORD} is not what winsweep writes ({type(e).__name__})"], ""
    belongs = str(told["name"])
    if f"{stage}/{belongs.rpartition('-')[2]}" != key:
        return [f"{RECORD} is of {key}, by what it says was asked for, and is called {belongs}"], ""
    return ([] if belongs == name else [f"is the result {belongs} under another name"]), belongs


def _read(path: Path) -> bytes:
    with open(path, "rb", opener=unlinked_opener) as file:
        return file.read()


def _file(path: Path, one: tuple[str, dict]) -> str:
    """What is wrong with one file, or no text."""
    name, want = one
    try:
        with open(path / name, "rb", buffering=0, opener=unlinked_opener) as file:
            at = os.fstat(file.fileno())
            if not stat.S_ISREG(at.st_mode):
                return f"{name} is no file"
            if at.st_size != want["size"]:
                return f"{name} has {at.st_size:,} bytes instead of {want['size']:,}"
            got = manifest.digest(file)
    except OSError as e:
        return f"{name} cannot be read ({e.strerror or e})"
    if got == want["sha256"]:
        return ""
    num = manifest.DIGITS + len(os.path.commonprefix([got, want["sha256"]]))
    return f"{name} has the sha256 {got[:num]}… instead of {want['sha256'][:num]}…"
