"""Keys of a terminal: Ctrl-C ends the board, whenever it comes."""

import os
import pty
import signal
import sys

import pytest

from winsweep.watch.keys import Keys


class Interrupted:
    """Python ignores what is raised while it is taken away."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_ignores_is_not_lost(monkeypatch):
    terminal, side = pty.openpty()
    with open(side, "rb", buffering=0) as stdin, open(terminal, "rb", buffering=0):
        monkeypatch.setattr(sys, "stdin", stdin)
        with Keys() as keys:
            thing = Interrupted()
            del thing
            with pytest.raises(KeyboardInterrupt):
                keys.wait(0)
