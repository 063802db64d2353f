"""A study as lines of JSON, for scripts."""

import json
import sys
import time
from dataclasses import replace

from winsweep.errors import WinsweepError
from winsweep.watch.look import Watcher
from winsweep.watch.seen import Seen, plain
from winsweep.workspace import Workspace


def say(workspace: Workspace, is_watch: bool) -> int:
    """Print the study once; with `is_watch` then what changed of it, whenever it did, until nothing is left to make."""
    watcher, before = Watcher(workspace), None
    while True:
        begun = time.monotonic()
        try:
            seen = watcher.look()
        except (OSError, WinsweepError, ValueError, LookupError) as e:
            if not is_watch or before is None:
                raise
            print(e, file=sys.stderr, flush=True)
            seen = before
        if before is None or _core(seen) != _core(before):
            print(json.dumps(plain(seen, before)), flush=True)
        if not is_watch or not seen.num_left:
            return 0
        before = seen
        time.sleep(watcher.pause_s(time.monotonic() - begun))


def _core(seen: Seen) -> Seen:
    """Without what changes as time passes."""
    queue = seen.queue and replace(seen.queue, asked_at=None)
    return replace(seen, at=0.0, left_s=None, gpu_hours=0.0, queue=queue)
