"""What is found out once on a node for all ranks of an attempt there."""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

KEPT = 16  # answers, of as many attempts


def own_folder(within: Path) -> Path:
    """A folder that only this user can write; PermissionError where somebody else made it."""
    own = within / f"winsweep-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    known = own.lstat()
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.getuid() or known.st_mode & 0o022:
        raise PermissionError(f"{own} can be written by others")
    return own


def once(what: str, attempt: str, find: Callable[[], str]) -> str:
    """What `find` gives for `what`: the first process of `attempt` on this node finds it, the others wait and are told.

    Each finds it by itself where the node's folder for temporary files does not serve. If `find` raises, the next
    process tries again.
    """
    with _locked(what) as memory:
        known = _read(memory)
        if attempt not in known:
            known[attempt] = find()
            _keep(memory, known)
        return known[attempt]


@contextmanager
def _locked(what: str) -> Iterator[Path | None]:
    """The file of answers about `what`, while no other process looks at it; None where that cannot be."""
    name = hashlib.sha256(what.encode()).hexdigest()[:16]
    with ExitStack() as stack:
        memory = None
        with suppress(OSError):
            own = own_folder(Path(tempfile.gettempdir()))
            lock = stack.enter_context(open(own / f".{name}.lock", "w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            memory = own / f".{name}.json"
        yield memory


def _read(memory: Path | None) -> dict[str, str]:
    try:
        return json.loads(memory.read_bytes()) if memory else {}
    except (OSError, ValueError):
        return {}


def _keep(memory: Path | None, known: dict[str, str]) -> None:
    if memory:
        with suppress(OSError):
            memory.write_text(json.dumps(dict([*known.items()][-KEPT:])))
