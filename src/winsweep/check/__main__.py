"""Looks at models for a launcher: reads {key: {base: DIRECTORY, said: ModelUse in plain types}}, writes {key: {facts,
findings}} as one line. Each is looked at by a process of its own, as files of others may end it.
"""

import json
import os
import signal
import sys
from typing import Any

MOST_GB = 8.0  # of one look, beside what the libraries take
DEADLY = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
DO = "legal are files as transformers writes them; fetch the model again"


def main() -> None:
    out = os.fdopen(os.dup(1), "w")  # libraries that print must not speak here
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    from winsweep.check import model  # noqa: F401  # once, for all that are forked

    found = {key: told for key, of in asked.items() if (told := _apart(of)) is not None}
    print(json.dumps(found), file=out, flush=True)


def _apart(of: dict[str, Any]) -> dict[str, Any] | None:
    """What a forked process finds of one model: a problem where its files end that process, None where something else
    does.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        _tell(of, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as file:
        said = file.read()
    _, status = os.waitpid(pid, 0)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number in DEADLY:
        found = f"reading them ended the process that did ({signal.Signals(number).name})"
        return {"facts": {}, "findings": [{"verdict": "problem", "what": "files", "found": found, "do": DO}]}
    return json.loads(said) if said and not status else None


def _tell(of: dict[str, Any], to: int) -> None:
    """In the forked process, which ends here."""
    from winsweep.check import model
    from winsweep.check.early import as_plain
    from winsweep.check.time_limit import memory

    try:
        with memory(MOST_GB):
            looked = model.look(of["base"], None, of["said"], None)
        said = json.dumps({"facts": dict(looked.facts), "findings": as_plain(looked.findings)})
        with os.fdopen(to, "w") as file:
            file.write(said)
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
