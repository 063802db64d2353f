"""Makes folders inside a store, and never the store itself: of one that was moved, or whose disk is away, another would
stand in the way.
"""

from pathlib import Path

TOPS = (".work", ".judged")  # directly in every store
PRUNED = ".pruned-"  # before the name of what is being removed


def make(folder: Path) -> Path:
    """`folder` and what is missing above it, but not what holds the nearest of TOPS above it: FileNotFoundError where
    that is not there. Outside of TOPS all is made.
    """
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        if folder.name in TOPS:
            raise
        make(folder.parent)
        folder.mkdir(exist_ok=True)
    return folder
