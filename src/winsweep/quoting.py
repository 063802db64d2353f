"""How what others wrote stands in a message: quoted, on its line, each character that steers a terminal by its number,
and cut. Pure.
"""

import re
import reprlib

MOST_QUOTED = 200  # characters of a value in a message
MOST_EXCERPT = 60  # of one in a row of data
MOST_LINE = 2000  # of a line of a message; an error of a file of many names may have some
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxset = 4, 8, 8, 8, 8
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = MOST_QUOTED - 1
_UNSEEN = re.compile("[^ -~\n]")


def quoted(value: object) -> str:
    """`value` as Python writes it, of at most MOST_QUOTED characters; behind a text that is cut, how long it is."""
    try:
        shown = _SHORT.repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        shown = f"a value of the type {type(value).__name__} that cannot be written out"
    if isinstance(value, str) and len(value) > MOST_QUOTED - 2:
        return f"{cut(shown, MOST_QUOTED - 20)} ({len(value):,} letters)"
    return cut(shown, MOST_QUOTED)


def excerpt(value: object) -> str:
    """How a value of a row begins, as Python writes it: enough to find it by."""
    if isinstance(value, str):
        return repr(value[:MOST_EXCERPT])
    shown = quoted(value)
    return shown if len(shown) <= MOST_EXCERPT else f"{shown[: MOST_EXCERPT - 1]}…"


def in_sight(text: str) -> str:
    """A message as it may be printed: in its lines, no character but line breaks that cannot be seen or that turns the
    direction of text, and each line of at most MOST_LINE.
    """
    if not text.isascii() or not text.isprintable():
        text = _UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else f"<U+{ord(found[0]):04X}>", text)
    return text if len(text) <= MOST_LINE else "\n".join(cut(line, MOST_LINE) for line in text.split("\n"))


def cut(text: str, most: int) -> str:
    """`text` of at most `most` characters, with … for what its middle had more: how it ends says what to type."""
    left = most // 2
    return text if len(text) <= most else f"{text[: most - left - 1]}…{text[-left:]}"
