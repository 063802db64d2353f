"""How control is handed over between a history and the processes that are pretended in it."""

import importlib.util
import threading
from collections.abc import Callable

HANDS_S = 120.0  # of real time; a process that is silent for so long hangs
greenlet = importlib.import_module("greenlet") if importlib.util.find_spec("greenlet") else None


class ThreadTurn:
    """The hand-over between who lets a process go on and the thread that is it."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.mine, self.theirs = threading.Semaphore(0), threading.Semaphore(0)

        def live() -> None:
            self.mine.acquire()
            body()
            self.theirs.release()

        threading.Thread(target=live, daemon=True).start()

    def go(self) -> None:
        self.mine.release()
        assert self.theirs.acquire(timeout=HANDS_S), "a process hangs"

    def back(self) -> None:
        self.theirs.release()
        self.mine.acquire()


class GreenletTurn:
    """The same without threads, which is quicker on a machine that is busy; where the package is installed."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.greenlet = greenlet.greenlet(body)

    def go(self) -> None:
        self.greenlet.switch()

    def back(self) -> None:
        self.greenlet.parent.switch()


Turn = ThreadTurn | GreenletTurn


def turn(body: Callable[[], None]) -> Turn:
    return GreenletTurn(body) if greenlet else ThreadTurn(body)
