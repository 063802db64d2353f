"""How long a look at others' files may take: of processor time, so that a busy machine changes nothing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from winsweep.errors import BadData


@contextmanager
def at_most(seconds: float, what: str) -> Iterator[None]:
    """BadData, naming `what`, once the code within has used so many seconds of processor time; in the main thread
    alone, as only that hears of signals.
    """

    def stop(number: int, frame: object) -> None:
        raise BadData(f"{what} takes more than {seconds:g} s of processor time; legal is one that ends")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
