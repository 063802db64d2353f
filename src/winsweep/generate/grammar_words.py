"""What a Lark grammar may not hold, as a text shows no tokens; and what the library says, for a person to read."""

import re

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
