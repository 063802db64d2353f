"""How much Markdown an answer has: its headers, list items, bold words and code blocks, counted as Arena-Hard counts
them, in time linear in the text.

Counts: the regular expressions of Arena-Hard's add_markdown_info.py (lmarena/arena-hard-auto, 3bab294), with blanks
that do not cross lines, which counts the same. Code is taken out first, so that a comment in a program is no header.
Code blocks are CommonMark's fenced ones: one that is never closed reaches to the end of the text.
"""

import re
from collections.abc import Sequence

import numpy as np

ELEMENTS = ("headers", "lists", "bold", "code")
CHARS_PER_TOKEN = 4  # Arena-Hard counts tokens of one tokenizer; a text here has a token for each four characters
_FENCE = re.compile(r"^[^\S\n]*(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_HEADER = re.compile(r"^#{1,6}\s", re.MULTILINE)
_LIST = re.compile(r"^[^\S\n]*(?:\d+\.|[-*+])\s", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*")
_BOLD_TOO = re.compile(r"__[^_\n]+__")


def counts(text: str) -> tuple[int, int, int, int]:
    """The numbers of ELEMENTS in a text."""
    rest, num_blocks = without_code(text)
    headers = _count(_HEADER, rest) if "#" in rest else 0
    bold = (_count(_BOLD, rest) if "**" in rest else 0) + (_count(_BOLD_TOO, rest) if "__" in rest else 0)
    return headers, _count(_LIST, rest), bold, num_blocks


def without_code(text: str) -> tuple[str, int]:
    """The text without its fenced code blocks, and how many these are."""
    kept, num, at, opened = [], 0, 0, ""
    for fence in _FENCE.finditer(text) if "```" in text or "~~~" in text else ():
        marks, rest = fence.groups()
        if not opened and not (marks[0] == "`" and "`" in rest):  # else it is code within a line
            kept.append(text[at : fence.start()])
            opened, num = marks, num + 1
        elif opened and marks.startswith(opened) and not rest.strip():
            opened, at = "", fence.end()
    return "".join([*kept, "" if opened else text[at:]]), num


def densities(texts: Sequence[str]) -> np.ndarray:
    """Elements [4, N] per token of each text; an empty text has none."""
    counts_N4 = np.array([counts(text) for text in texts], dtype=float).reshape(len(texts), len(ELEMENTS))
    tokens_N = np.array([max(len(text), 1) for text in texts]) / CHARS_PER_TOKEN
    return counts_N4.T / tokens_N


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))
