"""A terminal that gives its keys one by one, and is left as it was found."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from types import TracebackType

NAMES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1b[1~": "home",
    b"\x1b[4~": "end",
    b"\x1b": "escape",
    b"k": "up",
    b"j": "down",
    b"l": "right",
    b"h": "left",
    b"g": "home",
    b"G": "end",
    b"\r": "enter",
    b"\n": "enter",
    b" ": "enter",
    b"\t": "c",
}


SUSPEND = "suspend"  # what Ctrl-Z is called


class Keys:
    """The keys typed on standard input, while this is entered. SIGTERM, and a terminal that goes away, interrupt as
    Ctrl-C does.
    """

    def __enter__(self) -> "Keys":
        self.fd, self.is_suspended, self.is_ended = sys.stdin.fileno(), False, False
        self.before = termios.tcgetattr(self.fd)
        actions = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), self._end)
        actions[signal.SIGTSTP] = self._suspend
        self.actions = {number: signal.signal(number, action) for number, action in actions.items()}
        tty.setcbreak(self.fd)  # Ctrl-C still interrupts
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)
        for number, action in self.actions.items():
            signal.signal(number, action)

    def _end(self, *_: object) -> None:
        self.is_ended = True  # what is raised within a destructor is ignored
        raise KeyboardInterrupt

    def _suspend(self, *_: object) -> None:
        self.is_suspended = True

    def stop(self) -> None:
        """Give the terminal back and stop this process until a shell goes on with it."""
        self.is_suspended = False
        termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)
        os.kill(os.getpid(), signal.SIGSTOP)
        tty.setcbreak(self.fd)

    def wait(self, seconds: float) -> list[str]:
        """The keys typed within that time, as soon as there are any; "q" where the terminal is gone."""
        if self.is_ended:
            raise KeyboardInterrupt
        is_typed = select.select([self.fd], [], [], seconds)[0]
        if self.is_suspended:
            return [SUSPEND]
        if not is_typed:
            return []
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        return names(data) if data else ["q"]


def names(data: bytes) -> list[str]:
    """The names of keys that a terminal sent."""
    data, found = data.replace(b"\x1bO", b"\x1b["), []
    while data:
        known = next((seq for seq in NAMES if seq != b"\x1b" and data.startswith(seq)), None)
        size = len(known) if known else _unknown(data)
        found.append(NAMES.get(data[:size]) or data[:size].decode(errors="replace"))
        data = data[size:]
    return found


def _unknown(data: bytes) -> int:
    """How long a key is that has no name: a whole escape sequence, so that its rest is not taken for letters."""
    if not data.startswith(b"\x1b["):
        return 1
    return next((n + 1 for n in range(2, len(data)) if 0x40 <= data[n] <= 0x7E), len(data))
