"""What a signal means to an attempt: an end at once before a stage polls, a word to be read at the next safe point
after it does.
"""

import os
import signal

from winsweep.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)  # of preemption, and of a time limit that is near


def hold() -> None:
    """From now on a signal waits until a StopFlag listens: it must not end a process that did not say that it began."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class StopFlag:
    """Which signal asked this process to end. A stage that polls decides itself when; in any other the signal ends it
    at once.
    """

    def __init__(self) -> None:
        self.kind: str | None = None
        self.is_polled = False
        self.was_raised = False

    def listen(self) -> None:
        """Until a stage polls, a signal raises Stopped from here on, and here if it has waited for this or came to the
        stage before.
        """
        self.is_polled = False
        for signum in SIGNALS:
            signal.signal(signum, self.receive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if self.kind:
            self.is_polled = True
            raise Stopped(self.kind)

    def receive(self, signum: int, _: object) -> None:
        """Only notes the signal where a stage polls: a collective save must not begin in the middle of another
        collective.

        The first signal counts: a second one finds an attempt that is ending, and must not interrupt it at writing down
        why.
        """
        on_slurm = "SLURM_JOB_ID" in os.environ
        self.kind = self.kind or ("time limit" if signum == signal.SIGUSR2 else "preempted" if on_slurm else "stopped")
        if not self.is_polled:
            self.is_polled = self.was_raised = True
            raise Stopped(self.kind)

    def cause(self, e: BaseException) -> BaseException:
        """What an attempt ends by: `e`, or the Stopped before it that some library caught and passed over.

        torch and numpy do so while they are imported; what is then half imported fails with an error of its own.
        """
        return Stopped(self.kind) if self.was_raised and self.kind and not isinstance(e, Stopped) else e

    def polled(self) -> str | None:
        self.is_polled = True
        return self.kind
