"""What makes a directory whole: a list of its files with size and sha256, written last and verified before use."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TypeVar

from winsweep.errors import Damaged, NotFound
from winsweep.paths import opener, unlinked_opener
from winsweep.store import links, small_files

T = TypeVar("T")
NAME = "manifest.json"
DIGITS = 12  # of a digest, as people read it
MOST_BYTES = 1 << 30  # of a manifest
PIECE = 1 << 18  # bytes
MOST_THREADS = 16
WORTH_THREADS = 1 << 24  # bytes


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces; what no file has for a pipe or a device, which may never end."""
    with open(path, "rb", buffering=0, opener=opener) as f:
        is_file = stat.S_ISREG(os.fstat(f.fileno()).st_mode)
        return digest(f) if is_file else "no file"


def digest(file: FileIO) -> str:
    """Hex sha256 of what is left of a file. hashlib.file_digest would go round without end where a file of the kernel's
    has nothing to say yet (Python 3.11).
    """
    found, buffer = hashlib.sha256(), bytearray(PIECE)
    view = memoryview(buffer)
    while size := file.readinto(buffer):
        found.update(view[:size])
    return found.hexdigest()


def each(act: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
    """What `act` gives for each file, in their order; large files are read by several threads, of which hashing needs
    a core each. An error is raised in the place of its file, and what has not begun by then is left.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    num = min(MOST_THREADS, cores, len(files))
    if num < 2 or sum(p.stat().st_size for p in files if p.exists()) < WORTH_THREADS:
        yield from map(act, files)
        return
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and few need it

    with ThreadPoolExecutor(num) as pool:
        try:
            yield from pool.map(act, files)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def kept(path: Path, make: Callable[[], T]) -> T:
    """What the JSON file at `path` holds (NaN and infinity, too), or what `make` gives, which is then put there."""
    if path.exists():
        return json.loads(path.read_bytes())
    found = make()
    write_atomic(path, json.dumps(found).encode())
    return found


def sync_directory(path: Path) -> None:
    """What was renamed into `path` outlives a power cut when this returns."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes, durable: bool = True, is_own: bool = False) -> None:
    """Put `data` at `path` whole or not at all: a temporary sibling, fsync (where it must outlive a power cut), rename.

    Where it `is_own`, no other user may write it, whatever the umask is (see winsweep.ownership). LinkInStore where
    `path` is a link.
    """
    tmp = links.refuse(path).with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(tmp, "wb", opener=unlinked_opener) as f:
            if is_own:
                os.fchmod(f.fileno(), os.fstat(f.fileno()).st_mode & 0o755)
            f.write(data)
            f.flush()
            if durable:
                os.fsync(f.fileno())
        os.replace(tmp, path)
    except BaseException:
        tmp.unlink(missing_ok=True)
        raise


def files_of(root: Path) -> list[Path]:
    """Every regular file below `root` but its own manifest, sorted by relative name."""
    found = [p for p in root.rglob("*") if p.is_file() and p != root / NAME]
    return sorted(found, key=lambda p: p.relative_to(root).as_posix())


def seal(root: Path, known: Mapping[str, dict] = MappingProxyType({})) -> None:
    """Fsync every file below `root` and write its manifest; after this the directory may be renamed into place.

    `known` are entries of files that whoever wrote them has synced and digested.
    """
    found = {name: p for p in files_of(root) if (name := p.relative_to(root).as_posix()) not in known}
    entries = dict(zip(found, each(_entry, [*found.values()]), strict=True)) | dict(known)
    write_atomic(root / NAME, json.dumps(entries, indent=1, sort_keys=True).encode())


def entry_of(data: bytes | memoryview) -> dict:
    """What a manifest says of a file with these bytes."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read(root: Path, repair: str = "") -> dict[str, dict]:
    """The manifest of `root`; NotFound where that is no directory, Damaged where it has none that can be read, or one
    that names what is not below `root`.
    """
    try:
        if (said := small_files.content(root / NAME, MOST_BYTES) if root.is_dir() else None) is None:
            raise FileNotFoundError
        found = json.loads(said)
        if not isinstance(found, dict):
            raise ValueError
        outside = [name for name in found if not _is_below(name)]
        if outside:
            raise Damaged(
                f"{root / NAME}: names {ascii(outside[0])[:200]}, which is not below it, so nothing in {root} can be "
                f"trusted"
            )
        return found
    except FileNotFoundError:
        if root.is_dir():
            raise Damaged(
                f"{root}: no {NAME} there, so it was never finished, or was taken apart since{_tail(repair)}"
            ) from None
        raise NotFound(f"{root}: no such directory") from None
    except (ValueError, RecursionError):
        raise Damaged(f"{root / NAME}: not JSON, so nothing in {root} can be trusted{_tail(repair)}") from None


def _is_below(name: str) -> bool:
    """Whether it is a way down to a file, which a disk can have."""
    parts = PurePosixPath(name).parts
    is_plain = not {"\0", "\n"} & {*name} and all(len(part.encode("utf-8", "replace")) < 256 for part in parts)
    return bool(parts) and is_plain and name.isprintable() and name[0] != "/" and ".." not in parts


def verify(root: Path, repair: str = "") -> None:
    """Guarantee that every file below `root` has the size and sha256 of its manifest, or raise Damaged naming the file.

    `repair` ends the message: the command that makes the directory again.
    """
    entries = read(root, repair)
    extra = {p.relative_to(root).as_posix() for p in files_of(root)} - entries.keys()
    if extra:
        raise Damaged(f"{root / min(extra)}: not in the manifest{_tail(repair)}")
    found = each(describe, [root / name for name in entries])
    for (name, want), got in zip(entries.items(), found, strict=True):
        if got != want:
            raise Damaged(f"{root / name}: found {_say(got, want)}; its manifest says {_say(want, got)}{_tail(repair)}")


def _entry(path: Path) -> dict:
    with open(path, "rb") as f:
        os.fsync(f.fileno())
    return describe(path)


def describe(path: Path) -> dict:
    """What a manifest says of the file at `path`; nothing if there is none."""
    try:
        return {"size": path.stat().st_size, "sha256": sha256_file(path)}
    except FileNotFoundError:
        return {}


def _say(entry: object, other: object) -> str:
    """An entry in words, with so many digits that it is seen to differ from the other one."""
    if not entry:
        return "no file"
    if not isinstance(entry, dict) or not {"size", "sha256"} <= entry.keys():
        return ascii(entry)[:80]
    mine, theirs = str(entry["sha256"]), str(other.get("sha256", "") if isinstance(other, dict) else "")
    common = os.path.commonprefix([mine, theirs])  # of digits, not of paths
    num = max(DIGITS, len(common) + 4 if mine != theirs else 0)
    return f"{entry['size']} bytes, sha256 {mine[:num]}{'…' if num < len(mine) else ''}"


def _tail(repair: str) -> str:
    return f"; to rebuild: {repair}" if repair else ""
