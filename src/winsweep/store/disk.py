"""Which errors are a disk's that is full, read-only, failing or away: all is well again once the disk is."""

import errno
import re
from pathlib import Path

from winsweep import paths

PASSING = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENODEV,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
)
SAID = re.compile(r"\(os error (\d+)\)")  # by safetensors and tokenizers, which raise errors of their own


def refuse_gone(mark: Path) -> None:
    """OSError (stale) where a file that is in every store is not there: whoever works in a store makes no other one."""
    if not mark.is_file():
        said = "the store is not there now: was it moved, or is its disk not mounted?"
        raise OSError(errno.ESTALE, said, str(mark.parent))


def is_its(error: BaseException, store: Path | None = None) -> bool:
    """Whether a disk says this of itself, or a part of `store` or of our own code, which lies there, is gone while it
    is used: it was moved, or its disk cannot be read.
    """
    if isinstance(error, OSError) and error.errno in PASSING:
        return True
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] == "winsweep"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return bool(store) and str(error.filename or "").startswith(f"{store}/")
    said = SAID.search(str(error))
    return said is not None and int(said[1]) in PASSING


def words(error: OSError, store: Path) -> str:
    """What a person is told of it; any other error is raised."""
    if not is_its(error, paths.real(store)):
        raise error
    where = f"{error.filename}: " if error.filename else ""
    return (
        f"{where}found {error.strerror}; a disk that has room and can be written is legal; what is made is kept, so "
        f"type the same again once it is well"
    )
