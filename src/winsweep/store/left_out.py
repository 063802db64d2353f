"""Results that an archive told of and whose files it left out: what was made from them stands, and they are made here
where they are needed.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from winsweep.store import folders, links
from winsweep.store.manifest import write_atomic

FOLDER = "left-out"


def known(root: Path) -> frozenset[str]:
    """Their keys, from one listing."""
    try:
        names = os.listdir(root / ".work" / FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    return frozenset(f"{n.partition('-')[0]}/{n[:-5].partition('-')[2]}" for n in names if n.endswith(".json"))


def add(root: Path, key: str, told: Mapping[str, Any]) -> None:
    """Remember one with its record and its manifest, as they were told; LinkInStore, OSError."""
    path = links.inside(root, root / ".work" / FOLDER / f"{key.replace('/', '-')}.json")
    folders.make(path.parent)
    write_atomic(path, json.dumps(told, indent=1, sort_keys=True).encode())
