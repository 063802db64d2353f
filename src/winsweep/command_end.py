"""How a command ends that a person, a closed pipe or a path that cannot be used has stopped: in words, and with which
exit code.
"""

import errno
import functools
import sys
from collections.abc import Callable

from winsweep import screen
from winsweep.quoting import in_sight

# What a path is, and not what winsweep does wrong.
OF_PATHS = (
    errno.ENOENT,
    errno.EEXIST,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
)
STOPPED = 130  # as shells have it after Ctrl-C


def told(main: Callable[[], int]) -> Callable[[], int]:
    """`main` of a command, which prints in any encoding, and whose ends that it does not word itself have words and an
    exit code. An error that is our own is raised.
    """

    @functools.wraps(main)
    def ended() -> int:
        screen.speak_any()
        try:
            return main()
        except KeyboardInterrupt:
            print("\nstopped; what is finished stays", file=sys.stderr)
            return STOPPED
        except BrokenPipeError:
            return screen.nobody_reads()
        except OSError as e:
            if e.errno not in OF_PATHS:
                raise
            where = f"{e.filename}: " if e.filename else ""
            said = f"{where}found {e.strerror}; a path that you may read and write, on a disk with room, is legal"
            print(f"error: {in_sight(said)}; correct that, or name another", file=sys.stderr)
            return 2

    return ended
