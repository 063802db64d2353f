"""How much a look at others' files may take: of processor time, so that a busy machine changes nothing, and of
memory.
"""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winsweep.errors import BadData

MOST_GB = 4  # more than before, for what takes a tenth of it; each thread of a library begins with some MB


@contextmanager
def at_most(seconds: float, what: str) -> Iterator[None]:
    """BadData, naming `what`, once the code within has used so many seconds of processor time, or MOST_GB more memory
    than before; in the main thread alone, as only that hears of signals.
    """

    def stop(number: int, frame: object) -> None:
        raise BadData(f"{what} takes more than {seconds:g} s of processor time; legal is one that ends")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        with memory(MOST_GB):
            yield
    except MemoryError:
        raise BadData(f"{what} takes more than {MOST_GB} GB of memory; legal is one that takes less") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def memory(more_gb: float) -> Iterator[None]:
    """What may be written to is `more_gb` more than this process has now, or what it may have anyway: MemoryError
    beyond.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _has_bytes() + int(more_gb * 2**30)
    least = min([wanted, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)])
    resource.setrlimit(resource.RLIMIT_DATA, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _has_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
