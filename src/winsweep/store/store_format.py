"""Which format a store is of, as its store.json says, and that this winsweep reads it."""

import json
from pathlib import Path

from winsweep.errors import Damaged, NewerStore
from winsweep.store import manifest

FORMAT = 1
NAME = "store.json"


def agree(root: Path) -> None:
    """Say the format of a store that says none yet; NewerStore if a later winsweep wrote it, Damaged where its mark
    says no format.
    """
    mark = root / NAME
    if not mark.exists():
        manifest.write_atomic(mark, json.dumps({"format": FORMAT}).encode())
    try:
        found = json.loads(mark.read_bytes())["format"]
    except (ValueError, LookupError, TypeError, RecursionError):
        found = None
    if type(found) is not int or found < 1:
        said = json.dumps({"format": FORMAT})
        raise Damaged(f"{mark}: does not say the format of the store; legal is {said}; put that line into the file")
    if found > FORMAT:
        raise NewerStore(
            f"{mark}: found store format {found}; this winsweep reads up to {FORMAT}; update winsweep or name "
            f"another --store"
        )
