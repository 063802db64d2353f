"""Whether a table that was made again says what the archive's does: its figures, whatever code and keys made them."""

import csv
import io

MADE_BY = ("commit", "calibration")  # beside columns of keys


def compared(ours: bytes, theirs: bytes) -> str:
    """In words: the same bytes, the same figures, or how many rows differ, and in which columns first."""
    if ours == theirs:
        return "the same as that of the archive, byte for byte"
    mine, other = _rows(ours), _rows(theirs)
    if len(mine) != len(other):
        return f"{len(mine):,} rows here, {len(other):,} in the archive"
    differing = [sorted(n for n in a.keys() | b.keys() if a.get(n) != b.get(n)) for a, b in zip(mine, other)]
    wrong = [names for names in differing if names]
    if not wrong:
        return "the same figures as those of the archive; code or keys differ"
    return (
        f"{len(wrong):,} of {len(mine):,} rows differ from those of the archive, the first in {', '.join(wrong[0][:5])}"
    )


def _rows(data: bytes) -> list[dict[str, str]]:
    text = io.StringIO(data.decode("utf-8", "replace"), newline="")
    return [
        {n: v for n, v in row.items() if n and not n.endswith("_key") and n not in MADE_BY and isinstance(v, str)}
        for row in csv.DictReader(text)
    ]
