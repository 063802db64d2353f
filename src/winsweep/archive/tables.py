"""Whether what was made again says what the archive's does: its figures, whatever code and keys made them, and when."""

import csv
import io
import json
from typing import Any

from winsweep.amounts import plural
from winsweep.archive import listed

MADE_BY = ("commit", "calibration")  # beside columns of keys
WHEN = (
    "date",
    "begun",
    "seconds",
    "tokens_per_s",
    "host",
    "node",
    "pid",
    "owner",
    "commit",
)  # of one run, not of a result
MOST_CELLS = 2_000_000
LOG = "log.jsonl"  # of a finetune: the loss of every step, and how quick it was


def is_same(name: str, ours: bytes, theirs: bytes) -> bool:
    """Whether two files of a result say the same but for times, machines and commits."""
    if ours == theirs:
        return True
    try:
        if name.endswith(".csv"):
            return _rows(ours) == _rows(theirs)
        if name.endswith(".jsonl"):
            listed.refuse_many(theirs)
            mine, other = ([json.loads(line) for line in data.splitlines()] for data in (ours, theirs))
            return _plain(mine) == _plain(other)
        return name.endswith(".json") and _plain(json.loads(ours)) == _plain(listed.parsed(theirs))
    except (ValueError, RecursionError):
        return False


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name not in WHEN}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def compared(ours: bytes, theirs: bytes) -> str:
    """In words: the same bytes, the same figures, or how many rows differ, and in which columns first."""
    if ours == theirs:
        return "the same as that of the archive, byte for byte"
    try:
        mine, other = _rows(ours), _rows(theirs)
    except ValueError as e:
        return f"not compared: {e}"
    if len(mine) != len(other):
        return f"{plural(len(mine), 'row')} here, {len(other):,} in the archive"
    differing = [sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n)) for a, b in zip(mine, other)]
    wrong = [names for names in differing if names]
    if not wrong:
        return "the same figures as those of the archive; code or keys differ"
    return (
        f"{len(wrong):,} of {len(mine):,} rows differ from those of the archive, the first in {', '.join(wrong[0][:5])}"
    )


def _rows(data: bytes) -> list[dict[str, str]]:
    """The rows of a table, without what no result says; ValueError for what is none, or is larger than any."""
    lines = csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        header = next(lines, [])
        if (len(header) + 2) * (1 + max(data.count(b"\n"), data.count(b"\r"))) > MOST_CELLS:
            raise ValueError(f"a table of more than {MOST_CELLS:,} cells")
        at = [(n, name) for n, name in enumerate(header) if name and not name.endswith("_key") and name not in MADE_BY]
        return [{name: row[n] for n, name in at if n < len(row)} for row in lines if row]
    except csv.Error as e:
        raise ValueError(f"no table ({e})") from None
