"""Whether a disk has room for what is about to be written, looked at before the time that it takes."""

import errno
import shutil
from pathlib import Path

from winsweep.command_names import command


def refuse_full(folder: Path, num_bytes: float, what: str) -> None:
    """OSError (no space left) that says what is free, what is wanted and for what. Quotas are not known."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise OSError(
            errno.ENOSPC,
            f"{folder}: found {free / 1e9:,.1f} GB free; {what} takes {num_bytes / 1e9:,.1f} GB; make room "
            f"({command('prune')} removes what no study needs), or name a larger disk by --store",
        )
