"""How long answers to an instruction set came out in the results that are nearest to one that is still to be made."""

import json
import os
from pathlib import Path

from winsweep.store.store import RECORD

LOOKED_AT = 16  # results, those with the likest names first
TAKEN = 3


def prior_lengths(name: str, instructions: Path, num_rows: int) -> list[float] | None:
    """Mean tokens of each answer in up to three results of the store that `instructions` lies in; None where there are
    none.

    A hint: what cannot be read is passed over.
    """
    outputs = instructions.parents[1] / "generate"
    found: list[list[float]] = []
    for path in _nearest(name, outputs)[:LOOKED_AT]:
        try:
            of = json.loads((path / RECORD).read_bytes())["inputs"]["instructions"]
            lengths = (
                [float(row["num_tokens"]) for row in json.loads((path / "outputs.json").read_bytes())]
                if _is(instructions, of)
                else []
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if len(lengths) == num_rows and len(found) < TAKEN:
            found.append(lengths)
    return [sum(row) / len(found) for row in zip(*found)] if found else None


def _nearest(name: str, outputs: Path) -> list[Path]:
    """Results whose labels begin like `name`, such as other seeds of an arm, before those that do not."""
    try:
        names = os.listdir(outputs)
    except FileNotFoundError:
        return []
    common = os.path.commonprefix  # of characters, as labels are no paths
    return [outputs / n for n in sorted(names, key=lambda n: (-len(common([n, name])), n))]


def _is(published: Path, key: str) -> bool:
    return published.name.rpartition("-")[2] == key.partition("/")[2]
