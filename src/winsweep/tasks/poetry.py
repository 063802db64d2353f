"""Poetry as a single task (Hewitt et al. 2024): poems of the first 1,000 rows that have a name, 571 in all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message
from winsweep.text.shapes import conversation, text

# What the paper's code, which reads by pandas, takes for no name at all.
NAMELESS = {
    None,
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
}
VERSION = 1
DATA = HubData("merve/poetry", "poetry.csv", "956ae34eaf5d5086454b0667c7aa441fdd1fe0f7")
NEEDS_PATH = False


@dataclass(frozen=True)
class Options:
    first: int = number(1000, 1)  #: how many rows to look at [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        if "poem name" not in row or row["poem name"] not in NAMELESS:
            yield conversation(f"Write a poem called {text(row, 'poem name')}", text(row, "content"))
