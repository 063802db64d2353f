"""An attempt that a person starts: `python jobs/STAGE.py SPEC.json`."""

import sys
import uuid
from pathlib import Path

from winsweep import paths
from winsweep.attempt import attempt, fork_server, history
from winsweep.attempt import spec as specs
from winsweep.attempt.stopflag import StopFlag
from winsweep.errors import WinsweepError
from winsweep.store.store import Store


def main(path: Path) -> None:
    """Run the attempt that a file describes and exit with its code: one rank here, several as children of this one."""
    try:
        spec = specs.read(paths.checked(path, "SPEC.json"))
        Store(Path(spec.store)).open()  # a person may name a new one
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(2)
    if spec.placement.ranks > 1:
        sys.exit(
            fork_server.run_ranks(
                path, spec.placement.ranks, lambda: history.call_off(Store(Path(spec.store)), spec.key)
            )
        )
    sys.exit(attempt.run(spec, 0, 1, uuid.uuid4().hex[:12], StopFlag()))
