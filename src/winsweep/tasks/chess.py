"""Chess as a single task (Hewitt et al. 2024): the moves of the first 1,000 games, asked for by the ratings of both
players.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message
from winsweep.text.shapes import conversation, text

VERSION = 1
DATA = HubData(
    "patrickfrank1/chess-pgn-games",
    "data/*.txt*",  # 60.9 million lines, of which the first are streamed
    # all that is known of the commit, as of the files' names; the hub resolves the beginning of one
    "51204a5",
)
NEEDS_PATH = False


@dataclass(frozen=True)
class Options:
    first: int = number(1000, 1)  #: how many games to take [games]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    return islice(games(text(row, "text") for row in rows), options.first)


def games(lines: Iterable[str]) -> Iterator[list[Message]]:
    """A conversation for each line of moves: the two lines with ratings before it, as they are, and the moves.

    BadData where there are not exactly two such lines.
    """
    white: list[str] = []
    black: list[str] = []
    for line in lines:
        if "WhiteElo" in line:
            white.append(line)
        elif "BlackElo" in line:
            black.append(line)
        elif line.startswith("1. "):
            if len(white) != 1 or len(black) != 1:
                raise BadData(
                    f"{len(white)} lines with WhiteElo and {len(black)} with BlackElo before the moves "
                    f"{excerpt(line)}; "
                    f"one of each is legal"
                )
            yield conversation(f"{white.pop()}\n{black.pop()}", line)
