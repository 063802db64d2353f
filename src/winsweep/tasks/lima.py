"""LIMA, the instruction-tuning set of Hewitt et al. 2024: all 1,030 conversations, of which 30 have several turns.

With `empty_instructions: true` it is their response tuning. Gated, and for non-commercial use only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.errors import BadData
from winsweep.strict import number
from winsweep.study.cell import HubData
from winsweep.study.frame import Message

VERSION = 1
# of June 2023, the newest in 2026
DATA = HubData("GAIR/lima", "train.jsonl", "68958e98267f5fb4a52a03ebcdae4ae59213fa7c")
NEEDS_PATH = False


@dataclass(frozen=True)
class Options:
    first: int | None = number(None, 1)  #: how many rows to take; all of them by default [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    for row in islice(rows, options.first):
        yield alternating(row.get("conversations"))


def alternating(said: object) -> list[Message]:
    """Messages of user and assistant in turn; the last of an odd number, an instruction without a response, is left
    out.
    """
    if not isinstance(said, list) or not all(isinstance(text, str) for text in said):
        raise BadData("no list of texts under 'conversations'")
    paired = said[: len(said) // 2 * 2]
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(paired)]
