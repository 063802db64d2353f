"""MBPP as a single task (Hewitt et al. 2024): the 374 training problems, the code alone as response."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message
from winsweep.text.shapes import conversation, text

VERSION = 1
DATA = HubData(
    "google-research-datasets/mbpp", "full/train-00000-of-00001.parquet", "4bb6404fdc6cacfda99d4ac4205087b89d32030c"
)
NEEDS_PATH = False


@dataclass(frozen=True)
class Options:
    first: int = number(1000, 1)  #: how many problems to take [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        yield conversation(text(row, "text"), text(row, "code"))
