"""Whose turn it is to deal with the batches of a judge: one process of a store at a time, whichever machine it is on,
so that no question is sent twice.
"""

import os
import secrets
from pathlib import Path

from winsweep.errors import BadData
from winsweep.store import claim, links, liveness

OVER = ".over"


class Turn:
    """Use as a context; the value is whether it is ours. Ours ends with the context, or with this process.

    A turn is a numbered file, as an attempt's claim is: the highest number has it, unless it is over or its process is
    gone. A process that lost it, as its machine was out of sight, is ended.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder / "turns", 0
        self.heartbeat, self.is_left = folder / "heartbeat", False

    def __enter__(self) -> bool:
        claim.make_folder(links.refuse(self.folder))
        last = claim.newest(self.folder)
        if last and not (self.folder / f"{last:06d}{OVER}").exists() and self._lives(last):
            return False
        self.heartbeat.touch()
        if not claim.link(self.folder, last + 1, liveness.owner(secrets.token_hex(4))):
            return False
        if claim.newest(self.folder) != last + 1:  # we were slow, and the numbers in between are gone
            return False
        self.number = last + 1
        self.stop = liveness.beat(self.heartbeat, held=self.is_held)
        for path in self.folder.iterdir():
            number = path.name.partition(".")[0]
            if number.isascii() and number.isdigit() and int(number) < self.number - 1 and not path.is_dir():
                path.unlink(missing_ok=True)
        return True

    def is_held(self) -> bool:
        return claim.newest(self.folder) == self.number or self.is_left  # in this order: it may be left meanwhile

    def _lives(self, number: int) -> bool:
        path = self.folder / f"{number:06d}"
        if not os.path.lexists(path):  # it is long over
            return False
        name = claim.owner_of(self.folder, number)
        if not liveness.NAME.fullmatch(name):  # whoever has it may be at work
            raise BadData(
                f"{path}: found nobody's name in it; legal is what winsweep writes; move it away, once no process asks "
                f"this judge"
            )
        return liveness.alive(name, self.heartbeat)

    def __exit__(self, *_: object) -> None:
        if self.number:
            self.is_left = True
            self.stop.set()
            os.close(os.open(self.folder / f"{self.number:06d}{OVER}", os.O_CREAT | os.O_WRONLY, 0o666))
