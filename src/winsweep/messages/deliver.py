"""Sends one message, as a process of its own that ends in time whatever the other side does:
`python -m winsweep.messages.deliver VARIABLE`, with title and body as JSON on its standard input.

VARIABLE has the address, or several with blanks between, as apprise reads them. Nothing of it is printed.
Exit code: 0 sent, 1 not, 2 no address or none that apprise knows, 3 no apprise; ended by SIGALRM: no answer in time.
"""

import json
import logging
import os
import signal
import sys

LONGEST_S = 15


def main() -> int:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LONGEST_S)
    told = json.loads(sys.stdin.buffer.read())
    try:
        import apprise
    except ImportError:
        return 3
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    logging.getLogger("apprise").propagate = False
    servers = apprise.Apprise()
    if not servers.add(os.environ.get(sys.argv[1], "").split()):
        return 2
    is_sent = servers.notify(title=told["title"], body=told["body"], body_format=apprise.NotifyFormat.TEXT)
    return 0 if is_sent else 1


if __name__ == "__main__":
    sys.exit(main())
