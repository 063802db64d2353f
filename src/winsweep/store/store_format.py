"""Which format a store is of, as its store.json says, and that this winsweep reads it."""

import json
from pathlib import Path

from winsweep.errors import Damaged, NewerStore
from winsweep.store import manifest, small_files

FORMAT = 1
NAME = "store.json"


def mark(root: Path) -> None:
    """Say the format of a store that says none yet."""
    if not (root / NAME).exists():
        manifest.write_atomic(root / NAME, json.dumps({"format": FORMAT}).encode())


def agree(root: Path) -> None:
    """NewerStore if a later winsweep wrote it, Damaged where its mark says no format."""
    mark = root / NAME
    found = (small_files.mapping(mark) or {}).get("format")
    if type(found) is not int or found < 1:
        said = json.dumps({"format": FORMAT})
        raise Damaged(f"{mark}: does not say the format of the store; legal is {said}; put that line into the file")
    if found > FORMAT:
        raise NewerStore(
            f"{mark}: found store format {found}; this winsweep reads up to {FORMAT}; update winsweep or name "
            f"another --store"
        )
