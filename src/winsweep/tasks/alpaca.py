"""Stanford Alpaca's 52,002 instructions with responses: Hewitt et al. (2024) ask of its first 1,000 rows how models
rank responses.

An input stands below its instruction. (The paper draws one of 28 templates a row from a random state that other data
sets moved on, which nobody can repeat.) Its licence is CC BY-NC 4.0.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message
from winsweep.text.shapes import conversation, text, with_input

VERSION = 1
DATA = HubData(
    "tatsu-lab/alpaca", "data/train-00000-of-00001-a09b74b3ef9c3b56.parquet", "dce01c9b08f87459cf36a430d809084718273017"
)
NEEDS_PATH = False


@dataclass(frozen=True)
class Options:
    first: int | None = number(None, 1)  #: how many rows to take; all of them by default [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        yield conversation(with_input(row), text(row, "output"))
