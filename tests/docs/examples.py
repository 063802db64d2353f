"""The examples of a page: what is between its fences, and what the comment before a fence says of it. Pure.

A comment is `<!-- WORD: TEXT -->` or `% WORD: TEXT`, in the lines right before a fence. `not run: REASON` passes it
over, `exit: N` is the exit status of its last command, `file: NAME` writes it to that file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FENCE = re.compile(r"(`{3,})\{?([\w-]*)\}?.*")
COMMENT = re.compile(r"(?:<!--|%) *(not run|exit|file): *(.*?) *(?:-->)?")
WORDS_OF_SHELL = ("sh", "bash", "shell", "zsh")


@dataclass(frozen=True)
class Command:
    """What is typed after `$ `, its lines joined, and the lines that are shown under it."""

    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is the first within it."""

    kind: str
    line: int
    text: str
    said: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[Command]:
        """Those of a console block; lines that begin with `> ` go on with a command."""
        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif found and line.startswith("> ") and not found[-1][1]:
                found[-1][0].append(line[2:])
            elif found:
                found[-1][1].append(line)
        return [Command("\n".join(typed), tuple(shown)) for typed, shown in found]


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    return list(_blocks(page.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    said: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if comment := COMMENT.fullmatch(line):
            said[comment[1]] = comment[2]
        elif fence := FENCE.fullmatch(line):
            end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == fence[1])
            yield Block(fence[2], at + 2, "".join(f"{text}\n" for text in lines[at + 1 : end]), said)
            said, at = {}, end
        else:
            said = {}
        at += 1


def unlike(shown: tuple[str, ...], real: str) -> list[str]:
    """The shown lines that do not occur in the real output, in their order.

    Any number stands for any other, spaces for other spaces, and `…` for any text within a line, or for any lines where
    it is alone. A long line may be shown as several.
    """
    printed, at, missing = "\n".join(_plain(line) for line in real.splitlines()), 0, []
    for line in (line for line in shown if line.strip("… ")):
        parts = [re.escape(_plain(part)) for part in line.split("…")]
        found = re.compile("[^\n]*".join(parts)).search(printed, at)
        at = found.end() if found else at
        missing += [] if found else [line]
    return missing


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\d+(?:\.\d+)?", "0", text).split())
