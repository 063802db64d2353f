"""Commands as a person types them: `winsweep run STUDY.yaml`, or in a checkout `python launch/sweep.py STUDY.yaml`,
which is the same code.
"""

import re
import sys

from winsweep import layout

SCRIPTS = {
    "run": "sweep",
    "status": "status",
    "logs": "logs",
    "report": "report",
    "score": "score",
    "validate": "validate",
    "doctor": "doctor",
    "prune": "prune",
    "fsck": "fsck",
    "init": "init",
    "one": "one",
    "export": "export",
    "archive": "archive",
    "reproduce": "reproduce",
    "track": "track",
}
NAMES = {script: name for name, script in SCRIPTS.items()}
WRITTEN = re.compile(rf"(?<![\w/.-])(?:python )?(?:launch/)?({'|'.join(NAMES)})\.py\b")


def is_by_name() -> bool:
    """Whether the person has the command winsweep: it was called so, or is all that an installed package has."""
    return layout.is_installed() or sys.argv[0].startswith("winsweep ")


def as_typed(text: str) -> str:
    """`text`, written with sweep.py or `python launch/sweep.py`, in the words of the command that the person has."""
    return WRITTEN.sub(lambda found: f"winsweep {NAMES[found[1]]}", text) if is_by_name() else text


def command(name: str) -> str:
    """One command without its arguments, such as `winsweep run`."""
    return as_typed(f"python launch/{SCRIPTS[name]}.py")
