"""A terminal that gives its keys one by one, and is left as it was found."""

import os
import select
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


class Keys:
    """The keys typed on standard input, while this is entered."""

    def __enter__(self) -> "Keys":
        self.fd = sys.stdin.fileno()
        self.before = termios.tcgetattr(self.fd)
        tty.setcbreak(self.fd)  # Ctrl-C still interrupts
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)

    def wait(self, seconds: float) -> list[str]:
        """The keys typed within that time, as soon as there are any; "q" where the terminal is gone."""
        if not select.select([self.fd], [], [], seconds)[0]:
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
