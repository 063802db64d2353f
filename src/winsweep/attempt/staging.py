"""Copies of model directories on a node's own disk, so that only the first attempt there reads them from the shared
one.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from winsweep.attempt.on_node import once, own_folder
from winsweep.errors import Damaged, NotFound
from winsweep.store import manifest

PIECE = 1 << 20
MARGIN = 1.05  # of a model's bytes that must be free


def staged(source: Path, scratch: str, repair: str, attempt: str = "") -> Path:
    """A verified copy of the published directory `source` below `scratch`, made if need be; `source` itself, verified,
    where that cannot be.

    `scratch` is a directory of this node, or the name of a variable that holds one. Whoever empties it (the site, at
    the end of a job or over time) takes the copies away; another user's are not looked at. The first rank of an
    `attempt` on a node verifies the copy for the others there. Damaged if `source` differs from its manifest.
    """
    try:
        own = own_folder(Path(scratch if "/" in scratch else os.environ[scratch]))
        with open(own / f".{source.name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the ranks of a node copy once
            copy, seen = own / source.name, own / f".{source.name}.seen"
            if attempt and copy.is_dir() and seen.exists() and seen.read_text() == attempt:
                return copy
            found = _found(copy, source) or _copied(source, copy, repair)
            seen.write_text(attempt)
            return found
    except (OSError, KeyError) as e:
        print(f"{source.name}: read where it is, as {scratch} does not serve ({type(e).__name__}: {e})", flush=True)
        _verify_once(source, repair, attempt)
        return source


def _verify_once(source: Path, repair: str, attempt: str) -> None:
    def verify() -> str:
        manifest.verify(source, repair)
        return ""

    once(f"verified {source}", attempt, verify) if attempt else verify()


def _found(copy: Path, source: Path) -> Path | None:
    try:
        if manifest.read(copy) == manifest.read(source):
            manifest.verify(copy)
            return copy
    except (NotFound, Damaged):
        pass
    shutil.rmtree(copy, ignore_errors=True)
    return None


def _copied(source: Path, copy: Path, repair: str) -> Path:
    entries = manifest.read(source)
    wanted, free = sum(e["size"] for e in entries.values()), shutil.disk_usage(copy.parent).free
    if wanted * MARGIN > free:
        raise OSError(f"{free >> 20} MiB are free and {wanted >> 20} wanted")
    half = Path(tempfile.mkdtemp(prefix=".half-", dir=copy.parent))
    try:
        for name, entry in entries.items():
            (half / name).parent.mkdir(parents=True, exist_ok=True)
            if _copy_file(source / name, half / name) != entry["sha256"]:
                raise Damaged(
                    f"{source / name}: found other content than its manifest says"
                    + (f"; to rebuild: {repair}" if repair else "")
                )
        shutil.copyfile(source / manifest.NAME, half / manifest.NAME)
        os.rename(half, copy)
        return copy
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _copy_file(source: Path, copy: Path) -> str:
    """The sha256 of what was copied."""
    digest = hashlib.sha256()
    with open(source, "rb") as read, open(copy, "wb") as write:
        while piece := read.read(PIECE):
            digest.update(piece)
            write.write(piece)
    return digest.hexdigest()
