"""What a grammar may not hold or have beside it, as a text shows no tokens; and what the library says, for a person to
read.
"""

import re
from collections.abc import Sequence

from winsweep.errors import BadStudy

MOST_SHOWN = 300  # characters of a message of the library
# Strings, regular expressions and comments. One that is never closed goes to the end: none is begun twice.
TEXT_OF_LARK = re.compile(r'"(?:\\.|[^"\\])*+"?|/(?![/*])(?:\\.|[^/\\])++/?|//[^\n]*|#[^\n]*')


def of_tokens(lark: str) -> str:
    """What is not about text, empty where all is: llguidance's special tokens, ids and numbers of tokens."""
    rules = TEXT_OF_LARK.sub(" ", lark)
    return next((what for what in ("max_tokens", "<") if what in rules), "")


def shown(said: str) -> str:
    """A message of the library in one line, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in said.partition("<state>")[0]).split())
    return line if len(line) <= MOST_SHOWN else line[: MOST_SHOWN - 1] + "…"


def refuse_stops(texts: Sequence[str]) -> None:
    """BadStudy for texts that are to end an answer under a grammar."""
    if texts:
        raise BadStudy(
            f"decoding.stop: found {', '.join(map(repr, texts))} beside a grammar, which says itself where an "
            "answer ends; special tokens are legal; type decoding: {stop: []} in the adapter"
        )
