"""What small files of a store say that anybody who may write there could have left: what is not of the form that is
expected is damaged, whatever it is, and nothing of it is waited for or followed.
"""

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import IO, Any

from winsweep.paths import unlinked_opener

MOST_BYTES, PIECE = 1 << 20, 1 << 20
LARGE_BYTES = 1 << 28  # of the largest such file: a spec, a map of an array, a memory of many files
LONGEST = 1000  # characters of a line
MOST_COUNT = 10**15
TABLE_BYTES = 1 << 32
LAST_S = 32503680000.0  # the year 3000
# of a link, a device, a pipe, a folder, a file of another user's, or one below a file
NONE = (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def content(path: Path, most_bytes: int = MOST_BYTES) -> bytes | None:
    """The bytes of the regular file at `path`; None where there is none, and b"" for anything else than such a file, or
    a larger one. OSError as of a disk that is away.
    """
    try:
        file = unlinked_opener(str(path), os.O_RDONLY)
        try:
            known = os.fstat(file)
            if not stat.S_ISREG(known.st_mode) or known.st_size > most_bytes:
                return b""
            return b"".join(iter(lambda: os.read(file, PIECE), b""))[:most_bytes]
        finally:
            os.close(file)
    except FileNotFoundError:
        return None
    except OSError as e:
        if e.errno in NONE:
            return b""
        raise


def mapping(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file, {} where it is no such object."""
    found = content(path, most_bytes)
    if found is None:
        return None
    try:
        said = json.loads(found)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def lines(path: Path) -> IO[str]:
    """A table of results/ to be read: of a pipe nothing, and no link is followed. OSError as of open(), and for one of
    more than TABLE_BYTES.
    """
    if path.stat().st_size > TABLE_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return open(path, encoding="utf-8", newline="", opener=unlinked_opener)


def text(path: Path) -> str:
    """One line of ASCII in a file; "" where it is anything else, or not there."""
    said = (content(path) or b"").decode("ascii", "replace").strip()
    return said if said.isprintable() and said.isascii() and len(said) <= LONGEST else ""


def size(path: Path) -> int:
    """Bytes of a regular file that this user can read; 0 for anything else, as a link, a pipe or a folder."""
    try:
        known = path.lstat()
    except FileNotFoundError:
        return 0
    return known.st_size if stat.S_ISREG(known.st_mode) and os.access(path, os.R_OK) else 0


def is_count(value: object) -> bool:
    """Whether it is a whole number that something can have been counted to."""
    return type(value) is int and 0 <= value <= MOST_COUNT


def is_time(value: object) -> bool:
    """Whether it is a time in seconds since 1970, before the year 3000."""
    return isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value) and 0 <= value <= LAST_S
