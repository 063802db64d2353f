"""AlpacaEval's 805 instructions, in the order that its table of difficulty and its published figures go by.

They are known by their content, wherever the file comes from. Its licence is CC BY-NC 4.0, so the texts are not here.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from winsweep.errors import BadData
from winsweep.study.cell import HubData
from winsweep.text.shapes import text

VERSION = 1
# The commit is the one that others name. Whether the hub's newest holds the same is not known to us, and need not be:
# see ALPACA_EVAL.
DATA = HubData("tatsu-lab/alpaca_eval", "alpaca_eval.json", "2edc6fad8be6b14ea7230aabfd08188da6b8b814")
NEEDS_PATH = False
NUM_INSTRUCTIONS = 805
ALPACA_EVAL = "c5770d532bf3f697768ed9a57a05d8b58b2617321ca65070620f059676e7c99a"  # digest of the instructions


@dataclass(frozen=True)
class Options:
    """None: a part of the set would be another set."""


def categories(options: Options) -> tuple[str, ...]:
    """What a task may leave out."""
    return ("helpful_base", "koala", "oasst", "selfinstruct", "vicuna")


def instructions(rows: Iterable[dict], options: Options) -> Iterator[dict]:
    """All 805 rows, or BadData: what the file says of outputs and models is left out."""
    read = [{"instruction": text(row, "instruction"), "dataset": text(row, "dataset")} for row in rows]
    found = digest([row["instruction"] for row in read])
    if found != ALPACA_EVAL:
        raise BadData(
            f"found {len(read)} instructions with sha256 {found}; legal are AlpacaEval's 805 in their order, "
            f"{ALPACA_EVAL}; "
            f"fetch alpaca_eval.json of the data set tatsu-lab/alpaca_eval, or read other instructions with from: jsonl"
        )
    yield from read


def digest(asked: Sequence[str]) -> str:
    """What a set of instructions is known by, order included: the sha256 of their JSON list."""
    return hashlib.sha256(json.dumps(list(asked)).encode()).hexdigest()
