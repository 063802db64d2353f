"""What the outputs of a single-task model look like where they follow the task's form, and how often they do, by
distance from the task.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from winsweep.analysis.intervals import Share, share_of

MOVE = r"(?:O-O(?:-O)?|[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](?:=[QRBN])?)[+#]?"  # standard algebraic notation
ANSWER = re.compile(r"^#### *-?\$?[\d.,/]*\d[.%]?$")
OPENING = re.compile(rf"(?<!\S)1\. ?{MOVE} ")
FUNCTION = re.compile(r"^(?:async )?def [^\W\d]\w*\(", re.MULTILINE)
BULLET = re.compile(r" *[-*•] ?\S")
LISTED = re.compile(r"\s*(?:[-*•#>|]|\d+[.)]|```|def |return |import )")


def is_gsm(output: str) -> bool:
    """The last line gives a number behind `####`."""
    return bool(ANSWER.match(_lines(output)[-1])) if _lines(output) else False


def is_chess(output: str) -> bool:
    """Movetext: a numbered first move in algebraic notation."""
    return bool(OPENING.search(output + " "))


def is_mbpp(output: str) -> bool:
    """A Python function is defined at the start of a line."""
    return bool(FUNCTION.search(output))


def is_recipe(output: str) -> bool:
    """A list of two or more bullets comes first, as the ingredients do."""
    return len(_lines(output)) > 1 and all(BULLET.match(line) for line in _lines(output)[:2])


def is_poem(output: str) -> bool:
    """Four lines or more, most of them short and of several words; no list, table or code."""
    lines = _lines(output)
    if len(lines) < 4 or sum(bool(LISTED.match(line)) for line in lines) * 4 > len(lines):
        return False
    return (
        median(len(line) for line in lines) <= 60
        and max(map(len, lines)) <= 120
        and median(len(line.split()) for line in lines) >= 3
    )


STYLES: dict[str, Callable[[str], bool]] = {
    "gsm": is_gsm,
    "chess": is_chess,
    "mbpp": is_mbpp,
    "recipes": is_recipe,
    "poetry": is_poem,
}


@dataclass(frozen=True)
class Bin:
    """Outputs whose prompts are about equally similar to the task; `low` and `high` are the smallest and largest
    similarity.
    """

    low: float
    high: float
    styled: Share


def by_distance(similarity: Sequence[float], styled: Sequence[bool], num_bins: int = 5) -> list[Bin]:
    """The share of styled outputs in each quantile of similarity, the farthest from the task first.

    Bins differ by at most one output; with fewer outputs than bins there is one bin for each. Intervals are Wilson's.
    """
    if len(similarity) != len(styled):
        raise ValueError(f"found {len(similarity)} similarities and {len(styled)} outputs; legal is one for each")
    order_N = np.argsort(np.asarray(similarity), kind="stable")
    return [
        Bin(float(similarity[rows[0]]), float(similarity[rows[-1]]), share_of([[bool(styled[i])] for i in rows]))
        for rows in np.array_split(order_N, num_bins)
        if len(rows)
    ]


def _lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.splitlines() if line.strip()]
