"""GSM8K as a single task (Hewitt et al. 2024): the first 1,000 training problems in file order, answers verbatim."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message
from winsweep.text.shapes import conversation, text

VERSION = 1
DATA = HubData("openai/gsm8k", "main/train-00000-of-00001.parquet", "e53f048856ff4f594e959d75785d2c2d37b678ee")
NEEDS_PATH = False


@dataclass(frozen=True)
class Options:
    first: int = number(1000, 1)  #: how many problems to take [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        yield conversation(text(row, "question"), text(row, "answer"))
