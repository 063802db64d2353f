"""Which instruction of another list a text is: the same one, or the one that differs in white space alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def single_blanks(text: str) -> str:
    """`text` with a single blank for each run of white space, and none at its ends."""
    return " ".join(text.split())


def matched(texts: Iterable[str], asked: Iterable[str]) -> dict[str, str]:
    """Each text of `texts` that is not in `asked`, to the only one there that differs from it in white space alone;
    others are left out.
    """
    known, found = set(asked), {}
    lacking = [text for text in texts if text not in known]
    by_words: dict[str, list[str]] = {}
    for text in known if lacking else ():
        by_words.setdefault(single_blanks(text), []).append(text)
    for text in lacking:
        if len(near := by_words.get(single_blanks(text), [])) == 1:
            found[text] = near[0]
    return found


def renamed(rows: Sequence[Mapping[str, Any]], asked: Iterable[str]) -> tuple[list[Mapping[str, Any]], int]:
    """`rows` with the instructions of `asked` where theirs differ in white space alone, and how many did."""
    texts = [row.get("instruction") for row in rows]
    found = matched([text for text in texts if isinstance(text, str)], asked)
    return [
        {**row, "instruction": found[text]} if isinstance(text, str) and text in found else row
        for row, text in zip(rows, texts)
    ], len(found)
