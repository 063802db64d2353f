"""No door of a store goes through a link: what lies behind one is somebody else's, and may be removed or written over
by nobody here.
"""

import os
from pathlib import Path

from winsweep.errors import LinkInStore


def inside(root: Path, path: Path) -> Path:
    """`path`, of which nothing below `root` is a link; LinkInStore names the first that is, or a way up."""
    at = root
    for part in path.relative_to(root).parts:
        if part == "..":
            raise LinkInStore(f"{path}: found a way out of {root}; legal are names below it")
        at = refuse(at / part)
    return path


def refuse(path: Path) -> Path:
    """`path` itself, which is no link; LinkInStore if it is one."""
    if os.path.islink(path):
        raise LinkInStore(
            f"{path}: found a link to {os.readlink(path)}; legal are files and folders of the store's own, as what is "
            f"behind a link "
            f"could be removed or written over; remove the link, or put the folder itself there"
        )
    return path
