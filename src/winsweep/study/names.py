"""Which names of a study can be part of the names of files."""

import re

from winsweep.quoting import quoted
from winsweep.strict import Node

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")
# what names in results/ go on with
RESERVED = re.compile(
    r"\.(differences|choices|instructions|plans|ranking|style|rank|drift|containment)(\.|$)", re.IGNORECASE
)
MOST_LETTERS = 100  # of a name; file systems allow 255 for all that a file is called


def check_name(name: str, at: Node) -> None:
    """BadStudy for a name that could not be part of a file's."""
    if not NAME.fullmatch(name):
        raise at.error(
            f"found {quoted(name)}",
            "letters, digits, - and _ are legal, a letter or digit first, and . between them: it names files",
        )
    if len(name) > MOST_LETTERS:
        raise at.error(f"found {len(name):,} letters", f"{MOST_LETTERS} at most are legal: it names files")


def check_study_name(name: str, at: Node) -> None:
    """A study's name, whose table and what lies beside it are told apart by what follows the name."""
    check_name(name, at)
    if found := RESERVED.search(name):
        raise at.error(
            f"found {quoted(name)}", f"a name without {found[0]!r} is legal: another study's files in results/ end so"
        )
