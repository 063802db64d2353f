"""LIMA without responses that begin by restating the instruction (Hewitt et al. 2024, appendix C): a file that the user
brings.

The paper's has 1,029 rows: all of LIMA but the first, 99 responses rewritten by a language model. It derives from LIMA,
so it is not ours to hand out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from winsweep.errors import BadData
from winsweep.strict import number
from winsweep.study.frame import Message
from winsweep.text.shapes import CALLS, message

VERSION = 1
READ = ("role", "content", "weight", "train", *CALLS)  # of a message, the last to be refused
DATA = None
NEEDS_PATH = True
PATH_HELP = (
    'add path: FILE.jsonl with rows {"messages": [{"role", "content"}, ...]}; the paper\'s file is '
    "new_lima/lima_rephrased.jsonl "
    "of github.com/john-hewitt/implicit-ins (1,029 rows; LIMA's licence, non-commercial, holds for it)"
)


@dataclass(frozen=True)
class Options:
    first: int | None = number(None, 1)  #: how many rows to take; all of them by default [rows]


def examples(rows: Iterable[dict], options: Options) -> Iterator[list[Message]]:
    """Roles and contents only: the paper's file keeps the old response and a verdict beside them."""
    for row in islice(rows, options.first):
        messages = row.get("messages")
        if not isinstance(messages, list) or not all(
            isinstance(m, dict) and {"role", "content"} <= m.keys() for m in messages
        ):
            raise BadData(f"no list of {{role, content}} under 'messages'; {PATH_HELP}")
        yield [message({name: m[name] for name in m if name in READ}) for m in messages]
